"""What a person sees while a job runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from soundreel.cli.progress import Live, Plain, Reporter
from soundreel.events import ChunkSealed, ChunkStarted, Event, FrameDone, Notice, StageStarted
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
