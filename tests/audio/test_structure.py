"""Beats, bars, sections and pauses of songs and speech whose truth is known, and cuts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.songs import RATE, Song, march, pop, waltz
from media_factory import noise, silence, write_audio
from soundreel.audio.load import probe
from soundreel.audio.segment import read
from soundreel.audio.structure.cuts import propose_cuts
from soundreel.audio.structure.describe import Structure, describe

NEAR_S = 0.07  # how far off a beat may be to count, as in beat tracking contests
SPEECH = Path(__file__).parents[2] / "examples" / "speech.wav"

WORDS = (
    (20, 36), (37, 62), (63, 97), (98, 157), (158, 183), (184, 224), (225, 270), (271, 288),
    (289, 343), (344, 399), (400, 432), (433, 451), (452, 478), (479, 493), (494, 545), (546, 555),
    (556, 574), (575, 603), (604, 613), (614, 634), (635, 660), (661, 678),
)  # fmt: skip
"""Begin and end of the words in `SPEECH`, in hundredths of a second, as pocketsphinx 5.1 aligns
the sentence to it."""


def structure_of(path: Path) -> Structure:
    return describe(probe(path).clip)


def share_near(times: Iterable[Fraction], truth: Iterable[float], window: float = NEAR_S) -> float:
    """How many of `times` lie near one of `truth`."""
    known = np.array(list(truth))
    return float(np.mean([np.abs(known - float(time)).min() <= window for time in times]))


@pytest.fixture(scope="module", params=[pop, waltz, march], ids=lambda make: make.__name__)
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Song, Structure]:
    make: Callable[[], Song] = request.param
    song = make()
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    return song, structure_of(write_audio(path, song.sound, RATE))


def test_beats_and_bars_are_those_that_were_played(played: tuple[Song, Structure]) -> None:
    song, found = played
    assert share_near(found.beats, song.beats) >= 0.98
    assert share_near(found.downbeats, song.downbeats) >= 0.95
    assert found.metre == round(len(song.beats) / len(song.downbeats))


def test_most_sections_are_found_and_those_that_return_share_a_name(
    played: tuple[Song, Structure],
) -> None:
    song, found = played
    borders = [float(section.start) for section in found.sections]
    bar = 60 / (found.tempo or 1) * found.metre
    hits = [min(abs(border - true) for border in borders) < bar / 2 for true in song.sections]
    assert np.mean(hits) >= 0.7
    assert len(borders) <= len(song.sections) + 2
    names = [section.name for section in found.sections]
    assert len(set(names)) < len(names)


@pytest.mark.parametrize("bounds", [(4, 12), (2, 8)])
def test_cuts_of_music_lie_on_beats_downbeats_and_sections(
    played: tuple[Song, Structure], bounds: tuple[int, int]
) -> None:
    song, found = played
    cuts = propose_cuts(found, Fraction(bounds[0]), Fraction(bounds[1]))
    assert share_near(cuts, song.beats) == 1
    assert share_near(cuts, song.downbeats) >= 0.9
    beat = 60 / (found.tempo or 1)
    hits = [min(abs(float(cut) - true) for cut in cuts) <= beat for true in song.sections]
    assert np.mean(hits) >= 0.8
    lengths = [b - a for a, b in pairwise([found.start, *cuts, found.end])]
    assert all(bounds[0] <= length <= bounds[1] for length in lengths)


def test_dense_music_is_cut_faster(tmp_path: Path) -> None:
    song = pop()
    found = structure_of(write_audio(tmp_path / "a.wav", song.sound, RATE))
    cuts = [float(cut) for cut in propose_cuts(found, Fraction(2), Fraction(12))]
    quiet = sum(72.37 <= cut < 80.37 for cut in cuts) / 8
    full = sum(56.37 <= cut < 72.37 for cut in cuts) / 16
    assert full > quiet


def joined_words(seed: int, room: bool) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """Two minutes of phrases from `SPEECH` with pauses of 0.15 to 0.8 s, and where words lie."""
    random = np.random.default_rng(seed)
    speech = read(SPEECH, Fraction(0), Fraction(71, 10))[0]
    hush = np.tile(speech[:3000], 5)[:12800] if room else silence(0.8, rate=16000)[0]
    parts: list[NDArray[np.float32]] = []
    words: list[tuple[float, float]] = []
    length = 0
    while length < 120 * 16000:
        first = int(random.integers(len(WORDS) - 3))
        spoken = WORDS[first : first + int(random.integers(2, 9))]
        begin, end = spoken[0][0] * 160, spoken[-1][1] * 160
        words += [
            ((length + a * 160 - begin) / 16000, (length + b * 160 - begin) / 16000)
            for a, b in spoken
        ]
        parts += [speech[begin:end], hush[: int(random.uniform(0.15, 0.8) * 16000)]]
        length += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[None], words


@pytest.mark.parametrize("room", [True, False], ids=["room", "silence"])
def test_speech_is_cut_in_pauses_and_never_inside_a_word(tmp_path: Path, room: bool) -> None:
    sound, words = joined_words(5, room)
    found = structure_of(write_audio(tmp_path / "a.wav", sound, 16000))
    assert found.tempo is None
    cuts = propose_cuts(found, Fraction(4), Fraction(12))
    assert len(cuts) >= 10
    assert [cut for cut in cuts for a, b in words if a < float(cut) < b] == []
    lengths = [b - a for a, b in pairwise([found.start, *cuts, found.end])]
    assert all(4 <= length <= 12 for length in lengths)


def test_times_are_those_of_the_sound_file(tmp_path: Path) -> None:
    song = waltz()
    path = write_audio(tmp_path / "a.wav", song.sound, RATE)
    clip = replace(probe(path).clip, start=Fraction(30), duration=Fraction(40))
    found = describe(replace(clip, sound_duration=Fraction(40)))
    assert [found.start, found.end] == [30, 70]
    assert share_near(found.beats, song.beats) >= 0.98
    cuts = propose_cuts(found, Fraction(4), Fraction(12))
    assert all(30 < cut < 70 for cut in cuts)


@pytest.mark.parametrize("seconds", [0.02, 0.5, 3, 30])
def test_a_sound_without_beats_and_pauses_is_cut_all_the_same(
    tmp_path: Path, seconds: float
) -> None:
    for sound in (silence(seconds), noise(seconds)):
        found = structure_of(write_audio(tmp_path / "a.wav", sound))
        cuts = propose_cuts(found, Fraction(4), Fraction(12))
        lengths = [b - a for a, b in pairwise([found.start, *cuts, found.end])]
        assert all(length <= 12 for length in lengths)
        assert len(cuts) == 0 or min(lengths) >= 4
