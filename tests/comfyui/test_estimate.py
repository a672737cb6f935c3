"""Expected time and memory: others' figures, told as such."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.engines.comfyui.estimate import estimate
from soundreel.engines.comfyui.options import read_options
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Estimate, Request

GEOMETRY = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3, size_multiple=16)


def estimated(frames: int, **changes: object) -> Estimate:
    request = Request(audio=Path("a.wav"), **changes)  # type: ignore[arg-type]
    length = Fraction(frames, 16)
    clip = AudioClip(request.audio, Fraction(0), length, length, 44100, 2)
    return estimate(make_plan(request, GEOMETRY, clip, frames), read_options(request))


@pytest.mark.parametrize(
    ("frames", "low", "high", "gigabytes"),
    [(77, 90, 150, 25), (161, 180, 300, 28), (305, 300, 500, 30)],
)
def test_the_table_is_told_as_it_stands(frames: int, low: int, high: int, gigabytes: int) -> None:
    told = estimated(frames)
    assert told.seconds == (low + high) / 2
    assert told.memory_bytes == gigabytes * 2**30
    assert f"{low} to {high} s" in dict(told.details)["time"]
    assert "reported by others" in told.source
    assert "not measured" in told.source


def test_time_grows_with_the_frames_and_memory_does_not_beyond_the_table() -> None:
    seconds = [estimated(frames).seconds or 0 for frames in (10, 77, 100, 161, 305, 1000)]
    assert seconds == sorted(seconds)
    assert estimated(1000).memory_bytes == 30 * 2**30


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"sampling_preset": "quality"}},
        {"options": {"steps": 8}},
        {"width": 1280, "height": 1280},
    ],
)
def test_nothing_is_made_up_where_the_table_says_nothing(changes: dict[str, object]) -> None:
    told = estimated(77, **changes)
    assert told.seconds is None
    assert told.memory_bytes is None
    assert "unknown" in dict(told.details)["time and memory"]
