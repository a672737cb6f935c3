"""Who speaks is heard in the hosts' own tracks, and each drives its own face."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import sidecar_of
from media_factory import noise, write_audio
from soundreel.api import generate, plan
from soundreel.audio.segment import read, read_clip, stream_clip
from soundreel.config import Settings
from soundreel.directing.tracks import turns_of_tracks, who_speaks
from soundreel.errors import Cancelled, InputError
from soundreel.events import FrameDone, RunControl
from soundreel.finished.replay import replay_request
from soundreel.types import Request

RATE = 8000


def heard(*tracks: list[float]) -> list[int]:
    return [int(track) for track in who_speaks(np.array(tracks, np.float64))]


def test_a_voice_begins_loud_and_ends_quiet() -> None:
    """Of 1: it begins above 0.1 and ends below 0.032."""
    assert heard([0, 0.09, 1, 0.05, 0.05, 0.02, 0.09], [0.0] * 7) == [-1, -1, 0, 0, 0, -1, -1]


def test_cross_talk_goes_to_the_clearly_louder() -> None:
    anna, ben = [1, 1, 0.6, 0.4, 0.4, 0.9], [0.0, 0.5, 1, 1, 1, 1]
    assert heard(anna, ben) == [0, 0, 0, 1, 1, 1]


def test_microphones_may_stand_differently_and_one_that_only_hears_the_other_stays_out() -> None:
    assert heard([1, 1, 0, 0], [0, 0, 0.3, 0.3]) == [0, 0, 1, 1]
    assert heard([1, 0.9, 1, 1], [0.01, 0.02, 0.02, 0.01]) == [0, 0, 0, 0]


@pytest.fixture
def talk(tmp_path: Path) -> Request:
    """Anna from 0 to 2 s, ben to 4, anna to 6 and, in that, ben for 0.3 s."""
    spans = {"anna": [(0.0, 2.0), (4.0, 5.0), (5.3, 6.0)], "ben": [(2.0, 4.0), (5.0, 5.3)]}
    both = np.zeros((1, 6 * RATE), np.float32)
    for number, (name, said) in enumerate(spans.items()):
        track = noise(6, rate=RATE, level=0.0002, seed=number)
        for start, end in said:
            track[:, int(start * RATE) : int(end * RATE)] *= 1000
        both += track
        write_audio(tmp_path / f"{name}.wav", track, RATE)
        Image.new("RGB", (64, 64), (200, 30, 200 * number)).save(tmp_path / f"{name}.png")
    return Request(
        audio=write_audio(tmp_path / "talk.wav", both, RATE),
        engine="fake",
        width=64,
        height=64,
        seed=3,
        turns="tracks",
        drive=[f"{name}={tmp_path / name}.wav" for name in spans],
        cast={name: tmp_path / f"{name}.png" for name in spans},
        shot_length="1-12",
        output=tmp_path / "talk.mp4",
    )


def test_turns_are_heard_to_a_tenth_of_a_second(talk: Request) -> None:
    turns = turns_of_tracks(talk.tracks, RunControl())
    assert [(turn.speaker, float(turn.start), float(turn.end)) for turn in turns] == [
        ("anna", 0, 2),
        ("ben", 2, 4),
        ("anna", 4, 5),
        ("ben", 5, 5.3),
        ("anna", 5.3, 6),
    ]


def test_each_shot_is_driven_by_its_speakers_track(talk: Request, settings: Settings) -> None:
    made, _ = plan(talk, settings)
    assert [shot.start_frame / made.fps for shot in made.shots] == [0, 2, 4]
    assert [shot.image and shot.image.stem for shot in made.shots] == ["anna", "ben", "anna"]
    driving = made.for_engine.audio
    tracks = {name: read(path, Fraction(0), Fraction(6)) for name, path in talk.tracks.items()}
    expected = tracks["anna"].copy()
    expected[:, 2 * RATE : 4 * RATE] = tracks["ben"][:, 2 * RATE : 4 * RATE]
    assert np.array_equal(read_clip(driving)[:, : 6 * RATE], expected)
    window = np.concatenate(
        list(stream_clip(driving, Fraction(-1, 8), Fraction(5), rate=16000, mono=True)), axis=1
    )
    assert window.shape == (1, 5 * 16000)
    assert not window[:, :2000].any()
    whole = read_clip(driving, rate=16000)
    assert np.array_equal(window[:, 2000:], whole[:, : 5 * 16000 - 2000])


def test_the_record_repeats_it_and_a_stopped_job_ends_with_the_same_bytes(
    talk: Request, settings: Settings, tmp_path: Path
) -> None:
    first = generate(talk, settings)
    record: Any = sidecar_of(first.path)
    assert record["inputs"]["drive.ben"]["name"] == "ben.wav"
    assert [shot["speaker"] for shot in record["request"]["shots"]] == ["anna", "ben", "anna"]
    again = replay_request(first.path, None, None)
    made, _ = plan(again, settings)
    assert (made.shots, made.drive) == (first.plan.shots, first.plan.drive)
    control = RunControl()

    def stop(event: object) -> None:
        if isinstance(event, FrameDone) and event.done >= 45:
            control.cancel()

    control.on_event = stop
    broken = replace(talk, output=tmp_path / "again.mp4")
    with pytest.raises(Cancelled):
        generate(broken, settings, control=control)
    result = generate(broken, settings)
    assert result.resumed_chunks > 0
    assert result.path.read_bytes() == first.path.read_bytes()


def test_what_does_not_go_together_is_an_error(talk: Request, settings: Settings) -> None:
    anna = talk.tracks["anna"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"drive": None}, "give each speaker's track"),
        ({"drive": {"anna": anna}}, "nobody of that name speaks"),
        ({"turns": None, "cast": ()}, "shot 1 at 0:00 names no speaker"),
        ({"drive_offset": "auto"}, "on the sound's own clock"),
        ({"drive": {"anna": anna, "ben": Path("none.wav")}}, "none.wav"),
    ]
    for changes, words in wrong:
        with pytest.raises(InputError, match=words):
            plan(replace(talk, **changes), settings)
