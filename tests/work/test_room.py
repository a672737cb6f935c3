"""What a job takes on the disk is told before it starts, and what lacks is warned of."""

from __future__ import annotations

import shutil
from collections import namedtuple
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.events import Event, Notice, RunControl
from soundreel.types import Encoding, Request
from soundreel.video.weight import expected_weight
from soundreel.work.room import bytes_text, room_notices


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "0 kB"), (900_000, "900 kB"), (1_200_000, "1.2 MB"), (12e6, "12 MB"), (3.44e9, "3.4 GB")],
)
def test_bytes_are_told_in_few_digits(size: float, text: str) -> None:
    assert bytes_text(int(size)) == text


def test_a_disk_with_too_little_left_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 0, 10**7))
    few = list(room_notices(4_000_000, 5_000_000, tmp_path / "work" / "deep", tmp_path))
    assert few == ["on the disk: about 4.0 MB of work, 5.0 MB of video"]
    _, warning = room_notices(6_000_000, 6_000_000, tmp_path / "work", tmp_path)
    assert "10 MB left" in warning
    assert "about 12 MB" in warning


def test_the_estimate_follows_codec_quality_and_container(tone: Path, settings: Settings) -> None:
    request = Request(audio=tone, engine="fake", width=640, height=480, duration=Fraction(4))

    def weight(**encoding: object) -> tuple[int, int]:
        chosen = Encoding(**encoding)  # type: ignore[arg-type]
        made, estimate = plan(replace(request, encoding=chosen), settings)
        found = expected_weight(made)
        assert (estimate.work_bytes, estimate.video_bytes) == (found.pieces, found.video)
        return found.pieces, found.video

    pieces, video = weight()
    assert video > pieces
    assert weight(codec="h265")[0] < pieces
    assert weight(crf=24)[0] == pytest.approx(pieces / 2, rel=0.01)
    assert weight(container="gif")[1] > 10 * weight(container="webp")[0] / 2
    assert weight(audio_codec="flac")[1] > 0


def test_a_job_says_what_it_takes_when_it_starts(tone: Path, settings: Settings) -> None:
    said: list[Event] = []
    request = Request(audio=tone, engine="fake", width=64, height=48, num_frames=4)
    generate(request, settings, control=RunControl(said.append))
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert sum("on the disk: about" in notice for notice in notices) == 1
