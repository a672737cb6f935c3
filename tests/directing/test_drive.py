"""One sound drives, another is heard."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import sidecar_of
from media_factory import noise, silence, sine, write_audio
from soundreel.api import generate, plan
from soundreel.audio.segment import read, read_clip
from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request
from soundreel.record import TAG
from soundreel.types import Encoding, Plan, Request
from soundreel.video.reader import read_tags

RATE = 16000


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """Loud from 1 to 2 s of 3, and very quiet around it."""
    sound = noise(3, rate=RATE, level=0.0003)
    sound[:, RATE : 2 * RATE] += noise(1, rate=RATE, level=0.2, seed=1)
    return write_audio(tmp_path / "voice.wav", sound, RATE)


@pytest.fixture
def song(tmp_path: Path, voice: Path) -> Path:
    """The voice, and a band twice as loud."""
    both = noise(3, rate=RATE, level=0.2, seed=2) + read(voice, Fraction(0), Fraction(3))
    return write_audio(tmp_path / "song.flac", np.clip(both, -1, 1), RATE)


def request_for(song: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": song, "engine": "fake", "width": 64, "height": 48}
    return Request(**{**values, "seed": 3, **changes})  # type: ignore[arg-type]


def told(request: Request, settings: Settings) -> tuple[Plan, list[str]]:
    events: list[Event] = []
    made, _ = plan(request, settings, RunControl(events.append))
    return made, [event.message for event in events if isinstance(event, Notice)]


def test_the_heard_sound_is_in_the_file_and_the_other_one_steers(
    song: Path, voice: Path, settings: Settings, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    lossless = Encoding(audio_codec="flac")
    request = request_for(song, drive=voice, gate="-40dB", output=output, encoding=lossless)
    generate(request, settings)
    heard = read(output, Fraction(0), Fraction(3))
    assert np.array_equal(heard[:, : 3 * RATE], read(song, Fraction(0), Fraction(3)))
    made, notices = told(request, settings)
    assert "2 s of the driving sound are made silent" in notices
    driving = read_clip(made.for_engine.audio)
    assert not driving[:, : RATE - RATE // 40].any()
    assert not driving[:, 2 * RATE + RATE // 40 :].any()
    assert driving[:, RATE : 2 * RATE].any()


def test_the_record_repeats_it(song: Path, voice: Path, settings: Settings, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    generate(request_for(song, drive=voice, gate=-40, output=output), settings)
    record: Any = sidecar_of(output)
    assert record["inputs"]["drive"]["name"] == "voice.wav"
    assert record["plan"]["drive"]["silent"] == [["-1/50", "1"], ["2", "151/50"]]
    assert "voice.wav" not in read_tags(output)[TAG].split('"request"')[1].split('"plan"')[0]
    again = replay_request(output, None, None)
    assert (again.drive, again.gate) == (voice, -40.0)


def test_without_another_sound_the_record_says_nothing_of_one(
    song: Path, settings: Settings, tmp_path: Path
) -> None:
    generate(request_for(song, output=tmp_path / "out.mp4"), settings)
    record: Any = sidecar_of(tmp_path / "out.mp4")
    assert "drive" not in record["plan"]
    assert "drive" not in record["inputs"]


@pytest.mark.parametrize(("late", "words"), [(0.25, "250 ms later"), (-0.5, "500 ms earlier")])
def test_a_shift_is_said_and_corrected_by_word(
    song: Path, voice: Path, settings: Settings, tmp_path: Path, late: float, words: str
) -> None:
    sound = read(voice, Fraction(0), Fraction(3))
    moved = np.roll(sound, round(late * RATE), axis=1)
    stem = write_audio(tmp_path / "stem.wav", moved, RATE)
    made, notices = told(request_for(song, drive=stem), settings)
    assert any(f"the driving sound comes {words} than the heard one" in text for text in notices)
    assert made.drive is not None
    assert made.drive.start == 0
    made, notices = told(request_for(song, drive=stem, drive_offset="auto"), settings)
    assert any(text.endswith("corrected") for text in notices)
    assert made.drive is not None
    assert float(made.drive.start) == pytest.approx(late, abs=0.001)
    made, _ = told(request_for(song, drive=stem, drive_offset="-0.125"), settings)
    assert made.drive is not None
    assert made.drive.start == Fraction(-1, 8)


def test_a_shorter_drive_ends_in_silence(song: Path, settings: Settings, tmp_path: Path) -> None:
    short = write_audio(tmp_path / "short.wav", sine(1, 300, rate=8000), 8000)
    made, notices = told(request_for(song, drive=short), settings)
    assert "the driving sound ends 2 s before the heard one: silence" in notices
    driving = read_clip(made.for_engine.audio)
    assert driving.shape[1] == 3 * 8000
    assert driving[:, :8000].any()
    assert not driving[:, 8000:].any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drive": "nothing.wav"}, "nothing.wav"),
        ({"gate": "-200dB"}, "write decibels from -90 to -6"),
        ({"gate": "loud"}, "write decibels from -90 to -6"),
        ({"drive_offset": "soon"}, "not a time: write seconds"),
    ],
)
def test_a_wrong_value_is_an_error(
    song: Path, settings: Settings, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        plan(request_for(song, **changes), settings)


def test_a_drive_that_ends_before_the_video_begins_is_an_error(
    song: Path, settings: Settings, tmp_path: Path
) -> None:
    short = write_audio(tmp_path / "short.wav", silence(1, rate=RATE), RATE)
    with pytest.raises(InputError, match="it ends at 1 s, before the video begins"):
        plan(request_for(song, drive=short, start=2), settings)
