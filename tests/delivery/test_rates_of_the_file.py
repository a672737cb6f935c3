"""Other rates than the engine's, through the whole flow, read back by another program."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from oracle import run_ffmpeg
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled
from soundreel.events import Event, FrameDone, Notice, RunControl
from soundreel.timeline.rates import outputs_of
from soundreel.types import Request

NTSC = Fraction(30000, 1001)


def request_for(tone: Path, output: Path, **changes: object) -> Request:
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    return Request(**{**values, "seed": 3, "output": output, **changes})  # type: ignore[arg-type]


def stamps(path: Path) -> list[Fraction]:
    """Second at which each picture is shown, as ffmpeg says."""
    text = run_ffmpeg("-i", path, "-map", "0:v", "-c", "copy", "-copyts", "-f", "framecrc", "-")
    lines = text.decode().splitlines()
    base = Fraction(next(line.split()[-1] for line in lines if line.startswith("#tb")))
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return sorted(int(row[2]) * base for row in rows)


@pytest.mark.parametrize("rate", [Fraction(12), Fraction(15), Fraction(24), Fraction(25), NTSC])
def test_every_picture_is_shown_at_its_exact_time(
    tone: Path, tmp_path: Path, settings: Settings, rate: Fraction
) -> None:
    output = tmp_path / "a.mp4"
    said: list[Event] = []
    request = request_for(tone, output, fps=rate, duration="3.7")
    result = generate(request, settings, control=RunControl(said.append))
    count = math.ceil(Fraction(37, 10) * rate)
    assert stamps(output) == [j / rate for j in range(count)]
    assert result.plan.num_frames == math.ceil(3.7 * 16)
    assert [event.done for event in said if isinstance(event, FrameDone)] == [*range(1, count + 1)]
    assert any("flow" in event.message for event in said if isinstance(event, Notice))


@pytest.mark.parametrize("rate", [Fraction(1), Fraction(12), NTSC])
@pytest.mark.parametrize("pictures", [1, 30])
def test_resume_equals_one_run_at_any_rate(
    tone: Path, tmp_path: Path, settings: Settings, rate: Fraction, pictures: int
) -> None:
    whole = request_for(tone, tmp_path / "whole.mp4", fps=rate)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    count = generate(whole, settings).plan.output_frames
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= min(pictures, count - 1):
            control.cancel()

    control.on_event = watch
    with pytest.raises(Cancelled):
        generate(broken, settings, control=control)
    assert generate(broken, settings).plan.output_frames == count
    first, second = ((tmp_path / f"{name}.mp4").read_bytes() for name in ("whole", "broken"))
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_a_chunk_without_a_picture_of_the_file_leaves_none(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """Chunks of at most 20 pictures, a second and a quarter: at one picture a second the last one,
    of 4, gives none."""
    output = tmp_path / "a.mp4"
    result = generate(request_for(tone, output, fps=1, num_frames=21), settings, keep_job=True)
    assert stamps(output) == [0, 1]
    (job,) = [path for path in settings.work_dir.iterdir() if path.is_dir()]
    sizes = [path.stat().st_size for path in sorted(job.glob("chunk-*.mp4"))]
    assert len(sizes) == len(result.plan.chunks) == 2
    assert [size == 0 for size in sizes] == [False, True]


def test_a_shot_begins_with_the_first_picture_at_or_after_its_border(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """At 16 pictures a second the border is picture 21; at 25 that is 32.8."""
    shots = tmp_path / "shots.toml"
    shots.write_text('[[shot]]\nstart = "0"\n\n[[shot]]\nstart = "1.3"\nseed = 9\n')
    made = generate(
        request_for(tone, tmp_path / "a.mp4", fps=25, num_frames=40, shots=shots), settings
    ).plan
    assert [shot.start_frame for shot in made.shots] == [0, 21]
    spans = [[outputs_of(made, c) for c in made.chunks if c.shot == shot] for shot in (0, 1)]
    assert [(each[0].start, each[-1].stop) for each in spans] == [(0, 33), (33, 63)]
    assert stamps(tmp_path / "a.mp4") == [Fraction(j, 25) for j in range(63)]
