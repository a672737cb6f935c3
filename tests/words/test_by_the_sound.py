"""Lines without times: found in the sound, or laid over it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from hama import ASRModel

from fakes import cancel_after
from media_factory import noise, silence, write_audio
from soundreel.api import generate
from soundreel.audio.load import probe
from soundreel.audio.segment import read_clip
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.types import AudioClip, Request
from soundreel.types.words import Cue
from soundreel.words.reading import align, listen
from soundreel.words.reading.align import aligned
from soundreel.words.reading.files import read_cues
from soundreel.words.reading.listen import NotFound
from soundreel.words.reading.plain import LONGEST_LINE, lines_of
from soundreel.words.reading.pronounce import Speller
from soundreel.words.reading.spread import spread

SPEECH = Path(__file__).parents[2] / "examples" / "speech.wav"
LINES = (
    "… and Mr. John Dashwood had then leisure to consider",
    "how much there might be prudently in his power",
    "to do for them.",
)
"""What is read there (Jane Austen, Sense and Sensibility, 1; the reader turns two words)."""

RATE = 16_000


@pytest.fixture(scope="module")
def speech() -> AudioClip:
    return probe(SPEECH).clip


@pytest.fixture(scope="module")
def found(speech: AudioClip) -> tuple[Cue, ...]:
    return aligned(LINES, speech, RunControl())


def starts(cues: tuple[Cue, ...]) -> np.ndarray:
    return np.array([float(word.start) for cue in cues for word in cue.words])


def test_words_are_where_another_recogniser_hears_them(
    speech: AudioClip, found: tuple[Cue, ...]
) -> None:
    model = ASRModel()
    answer = model.transcribe_waveform(read_clip(speech, rate=RATE, mono=True)[0], RATE)
    first, heard = True, []
    for step, number in enumerate(answer.frame_token_ids):
        token = model.decoder_tokens[number]
        if first and not token.startswith("<"):
            heard.append((step + 0.5) * 0.02)
        first = token == "<wb>" or (first and token.startswith("<"))
    later = np.array(heard) - starts(found)[1:]  # the first is the dots
    assert len(heard) == 22
    # It answers in the middle of a phoneme, and later: by 0.11 s, to within 0.05.
    assert np.abs(later - np.median(later)).max() < 0.06
    assert 0.05 < np.median(later) < 0.15


def test_lines_become_cues_as_they_are_written(found: tuple[Cue, ...]) -> None:
    assert tuple(cue.text for cue in found) == LINES
    assert all("".join(word.text for word in cue.words) == cue.text for cue in found)
    assert found[0].end == found[1].start
    assert found[2].end == found[2].words[-1].end + align.LINGER_S


def test_a_pause_moves_the_words_after_it_alone(
    tmp_path: Path, speech: AudioClip, found: tuple[Cue, ...]
) -> None:
    sound = read_clip(speech)
    cut = round(3.97 * RATE)  # between how and much
    parts = (sound[:, :cut], silence(1.5, rate=RATE), sound[:, cut:])
    path = write_audio(tmp_path / "pause.wav", np.concatenate(parts, axis=1), rate=RATE)
    moved = starts(aligned(LINES, probe(path).clip, RunControl())) - starts(found)
    assert np.abs(moved[:11]).max() < 0.05
    assert np.abs(moved[11:] - 1.5).max() < 0.05


def test_a_long_sound_is_gone_through_in_windows(
    speech: AudioClip, found: tuple[Cue, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "WINDOW_S", 3)
    pieces = aligned(LINES, speech, RunControl())
    assert [cue.text for cue in pieces] == list(LINES)
    assert np.abs(starts(pieces) - starts(found)).max() < 0.05


def test_what_has_no_sound_of_its_own_goes_with_its_neighbour(speech: AudioClip) -> None:
    lines = ["1984", f"{LINES[0]} 7", "馬", *LINES[1:]]
    cues = aligned(lines, speech, RunControl())
    assert [cue.text for cue in cues] == [f"1984\n{lines[1]}\n馬", *LINES[1:]]
    assert cues[0].words[0].start == cues[0].words[0].end == cues[0].start


def test_a_word_that_no_dictionary_has_is_spelt() -> None:
    assert Speller().phonemes("dashwood") == "D AE SH W UH D"  # which CMUdict has


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["Shall I compare thee to a summer's day", "Thou art more lovely"], "do not fit"),
        (sorted(" ".join(LINES).split()), "do not fit"),
        (["Der Mond ist aufgegangen, die goldnen Sternlein prangen"], "only English"),
        (["月が綺麗ですね"], "only English"),
    ],
)
def test_what_is_not_said_is_not_found(speech: AudioClip, lines: list[str], why: str) -> None:
    with pytest.raises(NotFound, match=why):
        aligned(lines, speech, RunControl())


def test_a_word_too_many_or_too_few_does_no_harm(speech: AudioClip, found: tuple[Cue, ...]) -> None:
    lines = [LINES[0].replace("then ", ""), f"very {LINES[1]}", LINES[2]]
    cues = aligned(lines, speech, RunControl())
    assert abs(cues[2].start - found[2].start) < Fraction(1, 20)


@pytest.fixture(scope="module")
def two_phrases(tmp_path_factory: pytest.TempPathFactory) -> AudioClip:
    """Sound from 1 to 3 and from 5 to 6 s of 8."""
    hush = partial(silence, rate=RATE)
    parts = [hush(1), noise(2, rate=RATE), hush(2), noise(1, rate=RATE), hush(2)]
    path = tmp_path_factory.mktemp("words") / "phrases.wav"
    return probe(write_audio(path, np.concatenate(parts, axis=1), rate=RATE)).clip


def test_lines_are_spread_over_the_phrases(two_phrases: AudioClip) -> None:
    cues = spread(["abcd efgh ijkl", "mnop qr"], two_phrases, RunControl())
    assert [(float(cue.start), float(cue.end)) for cue in cues] == [(1, 3), (5, 6)]
    thirds = spread(["abc"] * 3, two_phrases, RunControl())
    assert [float(cue.start) for cue in thirds] == [1, 2, 5]


def test_of_plain_text_headings_are_left_out_and_long_lines_broken() -> None:
    text = "[Chorus]\n\n  one  two\n# a note\n---\n" + "Long, long ago. " * 9
    lines = lines_of(text)
    assert lines[0] == "one two"
    assert all(line.endswith(".") and len(line) <= LONGEST_LINE for line in lines[1:])
    assert " ".join(lines[1:]) == ("Long, long ago. " * 9).strip()
    assert "".join(lines_of("馬" * 200)) == "馬" * 200


def test_without_the_aligner_lines_are_spread_and_that_is_said(
    tmp_path: Path, speech: AudioClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / "said.txt", list[Event]()
    path.write_text("\n".join(LINES))
    there = util.find_spec
    monkeypatch.setattr(
        align, "find_spec", lambda name: None if name == "pocketsphinx" else there(name)
    )
    cues = read_cues(path, speech, None, RunControl(told.append))
    assert [cue.text for cue in cues] == list(LINES)
    [notice] = [event.message for event in told if isinstance(event, Notice)]
    assert "spread over what sounds" in notice
    assert "[words]" in notice


def test_a_part_of_the_sound_shows_what_is_said_in_it(
    tmp_path: Path, speech: AudioClip, found: tuple[Cue, ...]
) -> None:
    path, told = tmp_path / "said.txt", list[Event]()
    path.write_text("\n".join(LINES))
    part = replace(speech, start=Fraction(4), duration=Fraction(1), sound_duration=Fraction(1))
    [cue] = read_cues(path, part, None, RunControl(told.append))
    assert (cue.text, float(cue.start), float(cue.end)) == (LINES[1], 4, 5)
    assert starts((cue,))[3] == pytest.approx(starts(found)[13], abs=0.05)
    assert any(isinstance(event, Notice) and "1 of 3 lines" in event.message for event in told)


def test_words_outside_of_the_part_are_an_error(tmp_path: Path, speech: AudioClip) -> None:
    path = tmp_path / "late.lrc"
    path.write_text("[01:00.00]late\n[01:02.00]")
    with pytest.raises(InputError, match=r"late.lrc has its words from 60 to 62 s of the sound"):
        read_cues(path, speech, None, RunControl())


def test_words_are_looked_for_in_the_sound_that_drives(
    tmp_path: Path, speech: AudioClip, found: tuple[Cue, ...]
) -> None:
    """A stem that comes a second earlier than the noise that is heard."""
    path, said = tmp_path / "heard.wav", tmp_path / "said.txt"
    said.write_text("\n".join(LINES))
    heard = probe(write_audio(path, noise(8, rate=RATE), rate=RATE)).clip
    late = replace(speech, start=Fraction(1), duration=Fraction(6), sound_duration=Fraction(6))
    cues = read_cues(said, heard, late, RunControl())
    assert np.abs(starts(cues)[7:] + 1 - starts(found)[7:]).max() < 0.1


def test_a_run_that_goes_on_keeps_what_was_found(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although what found it is gone."""
    path = tmp_path / "said.txt"
    path.write_text("\n".join(LINES))
    request = Request(
        audio=SPEECH, size="64x64", engine="fake", lyrics=path, lyrics_mode="soft",
        output=tmp_path / "v.mp4",
    )  # fmt: skip
    with pytest.raises(Cancelled):
        generate(request, settings, control=cancel_after(90))
    monkeypatch.setattr(align, "find_spec", lambda name: None)
    made = generate(request, settings)
    assert made.resumed_chunks
    assert all(cue.words for cue in made.plan.subtitles)
