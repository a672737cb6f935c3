"""What a person sees while a job runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from soundreel.cli.terminal import progress
from soundreel.cli.terminal.progress import Live, Plain, Reporter
from soundreel.events import (
    ChunkSealed,
    ChunkStarted,
    Event,
    FrameDone,
    Notice,
    SamplingProgress,
    StageStarted,
)
from soundreel.events import StepDone as Step

JOB: tuple[Event, ...] = (
    StageStarted("inputs"),
    Notice("engine: [preview] (not wan)"),
    StageStarted("render"),
    ChunkSealed(0, 3, resumed=True),
    ChunkStarted(1, 3, 16),
    Step(1, 1, 4),
    *(FrameDone(done, 48) for done in range(17, 33)),
    StageStarted("finish"),
)


def tell(reporter: Reporter) -> None:
    with reporter:
        for event in JOB:
            reporter.handle(event)


@pytest.mark.parametrize("width", [20, 60, 120])
def test_a_terminal_shows_one_live_line(width: int) -> None:
    screen = io.StringIO()
    reporter = Live(Console(file=screen, force_terminal=True, width=width, highlight=False))
    with reporter:
        for event in JOB:
            reporter.handle(event)
            reporter._progress.refresh()  # as the clock does, between any two events
    shown = screen.getvalue()
    assert "[preview]" in shown
    if width >= 60:
        assert "chunk 2/3" in shown
        assert "32/48" in shown


def test_a_log_has_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Plain())
    shown = capsys.readouterr().err
    assert "chunk 1/3: done by an earlier run" in shown
    assert "\x1b" not in shown


def test_the_time_left_of_sampling_is_told_from_parts_of_a_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of four steps is a quarter done after 10 s, of which loading took 4."""
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(
        "soundreel.cli.terminal.progress.time.monotonic", lambda: float(next(clock))
    )
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.0)
    reporter = Plain()
    for event in (ChunkStarted(0, 1, 80), *(SamplingProgress(0, n, 400) for n in (10, 20, 30))):
        reporter.handle(event)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 2)[2:] for line in lines[1:]] == [
        [],
        ["228 s of sampling left"],  # 380 parts at 10 in 6 s of a clock that moves when asked
        ["222 s of sampling left"],
    ]
