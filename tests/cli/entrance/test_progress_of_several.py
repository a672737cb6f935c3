"""What a person sees while several jobs run."""

from __future__ import annotations

import io
from dataclasses import fields

import pytest
from rich.console import Console

from soundreel import events
from soundreel.documents.events import event_json, event_of
from soundreel.events import (
    ChunkStarted,
    Event,
    FrameDone,
    Notice,
    StageStarted,
    StepDone,
    StepPreview,
)
from soundreel.progress.several import OneByOne, Screen, SeveralLive, SeveralPlain, make_screen

LONG = "a song with a very long name (remix) feat. somebody.mp4"


def tell(screen: Screen) -> None:
    screen.begin(1, "a.mp4")
    screen.begin(2, LONG)
    for event in (StageStarted("render"), ChunkStarted(2, 12, 80), FrameDone(480, 1920)):
        screen.tell(1, event)
    screen.tell(2, Notice("engine: [preview]"))
    screen.tell(2, ChunkStarted(0, 1, 80))
    screen.tell(2, StepDone(0, 3, 20))


@pytest.mark.parametrize("width", [60, 80])
def test_each_job_has_a_line_that_fits(width: int) -> None:
    out, frame = io.StringIO(), io.StringIO()
    screen = SeveralLive(Console(file=out, force_terminal=True, width=width, highlight=False))
    with screen:
        tell(screen)
        still = Console(file=frame, width=width, color_system=None)
        still.print(screen._progress.get_renderable())
        screen.end(1)
        assert len(screen._progress.tasks) == 1
    first, second = frame.getvalue().splitlines()
    assert len(first) <= width
    assert first.startswith("a.mp4 ")
    assert "part 3 of 12" in first
    assert "480/1920" in first
    assert second.startswith("a song with a very ")
    assert "step 3" in second
    assert f"{LONG[:20]}" in out.getvalue()
    assert "engine: [preview]" in out.getvalue()


def test_in_a_log_every_line_names_its_job(capsys: pytest.CaptureFixture[str]) -> None:
    with SeveralPlain() as screen:
        tell(screen)
        screen.say("a.mp4", ["error: it broke", "  hint: mend it"])
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"{LONG}: engine: [preview]",
        "a.mp4: error: it broke",
        "a.mp4:   hint: mend it",
    ]


def test_one_at_a_time_looks_as_if_it_were_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with make_screen(quiet=False, at_once=1) as screen:
        assert isinstance(screen, OneByOne)
        screen.begin(1, "a.mp4")
        screen.tell(1, Notice("engine: preview"))
    assert capsys.readouterr().err == "engine: preview\n"


def test_every_event_comes_back_as_it_was() -> None:
    values = {"int": 3, "str": "word", "float": 0.5, "bool": True}
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, Event) and kind is not StepPreview:
            event = kind(*(values[str(each.type)] for each in fields(kind)))
            document = event_json(event)
            assert document is not None
            assert event_of(document) == event
    assert event_json(StepPreview(0, 1, b"", "image/png")) is None
