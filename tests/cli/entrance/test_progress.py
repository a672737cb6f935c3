"""What a person sees while a job runs."""

from __future__ import annotations

import io
import re
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from media_factory import sine, write_audio
from soundreel import Request, generate, progress_bar
from soundreel.config import Settings
from soundreel.events import (
    ChunkSealed,
    ChunkStarted,
    Event,
    FrameDone,
    FrameJoined,
    Notice,
    SamplingProgress,
    StageStarted,
)
from soundreel.events import StepDone as Step
from soundreel.progress import reporters
from soundreel.progress.reporters import Live, Plain, Reporter

JOB: tuple[Event, ...] = (
    StageStarted("inputs"),
    Notice("engine: [preview] (not wan)"),
    StageStarted("render"),
    *(ChunkSealed(index, 9, resumed=True) for index in range(4)),
    ChunkStarted(4, 9, 16),
    Step(4, 1, 4),
    *(FrameDone(done, 144) for done in range(65, 81)),
    StageStarted("finish"),
    FrameJoined(72, 144),
)


def tell(reporter: Reporter) -> None:
    with reporter:
        for event in JOB:
            reporter.handle(event)


def live(width: int) -> list[str]:
    """All that the line showed, event by event."""
    screen = io.StringIO()
    reporter = Live(Console(file=screen, force_terminal=True, width=width, highlight=False))
    with reporter:
        for event in JOB:
            reporter.handle(event)
            reporter._progress.refresh()  # as the clock does, between any two events
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n").splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_terminal_shows_one_live_line(width: int) -> None:
    shown = live(width)
    assert max(map(len, shown)) <= width
    if width >= 40:
        assert "engine: [preview] (not wan)" in shown
        assert any("part 5 of 9" in line and "80/144" in line for line in shown)
        assert any(re.search(r"80/144 .*time left \d:\d\d", line) for line in shown)
    if width >= 80:
        assert "parts 1 to 4 of 9 are there from an earlier run" in shown
        assert any("joining picture and sound" in line and "72/144" in line for line in shown)
        assert any("━" in line for line in shown if "joining" in line)


def test_a_log_has_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Plain())
    shown = capsys.readouterr().err
    assert "parts 1 to 4 of 9 are there from an earlier run\npart 5 of 9\n" in shown
    assert "joining picture and sound ..." in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("reporter", [Plain, Live])
def test_no_word_of_the_code_is_shown(
    reporter: type[Plain] | type[Live], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = "\n".join(live(80)) if reporter is Live else ""
    tell(Plain())
    shown += capsys.readouterr().err
    for word in ("chunk", "slot", "stage", "seal"):
        assert word not in shown


def test_the_time_left_is_told_from_pieces_of_the_sampling(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 of 400 pieces take 2 s; the second of two parts takes as long as the first, which began
    2 s before its first piece was done."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(reporters, "_PLAIN_SECONDS", -1.0)
    reporter = Plain()
    for event in (ChunkStarted(0, 2, 80), *(SamplingProgress(0, n, 400) for n in (10, 20, 30))):
        reporter.handle(event)
        now[0] += 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "part 1 of 2",
        "part 1 of 2",
        "part 1 of 2, time left 2:36",  # 76 s of the first, 80 of the second
        "part 1 of 2, time left 2:34",
    ]


class _Cell:
    """What a notebook's cell shows, in place of IPython."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, content: SimpleNamespace, *, display_id: bool) -> _Cell:
        assert display_id
        self.update(content)
        return self

    def update(self, content: SimpleNamespace) -> None:
        self.shown.append(content.data)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> _Cell:
    cell = _Cell()
    shell = SimpleNamespace(kernel=object())
    modules = {"IPython": ModuleType("IPython"), "IPython.display": ModuleType("IPython.display")}
    vars(modules["IPython"])["get_ipython"] = lambda: shell
    vars(modules["IPython.display"]).update(
        display=cell.display, HTML=lambda data: SimpleNamespace(data=data)
    )
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(reporters, "_NOTEBOOK_SECONDS", -1.0)
    return cell


def test_a_notebook_shows_a_bar_and_keeps_the_notices(cell: _Cell, settings: Settings) -> None:
    sound = write_audio(settings.work_dir.parent / "a.wav", sine(1, rate=16000), rate=16000)
    request = Request(audio=sound, engine="fake", width=64, height=48, duration=2)
    with progress_bar() as control:
        generate(request, settings, control=control)
    assert any('<progress value="8" max="16"></progress>' in html for html in cell.shown)
    assert any("joining picture and sound" in html for html in cell.shown)
    assert "<progress" not in cell.shown[-1]
    assert "the sound ends" in cell.shown[-1]


def test_outside_a_notebook_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as control:
        control.emit(Notice("seen"))
    assert capsys.readouterr().err == "seen\n"
