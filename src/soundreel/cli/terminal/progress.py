"""What a person sees while a job runs: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from soundreel.cli.terminal.spelling import spell
from soundreel.events import (
    ChunkSealed,
    ChunkStarted,
    Event,
    FrameDone,
    NodeProgress,
    Notice,
    SamplingProgress,
    SoundRead,
    StageStarted,
    StepDone,
)

_PLAIN_SECONDS = 5.0
"""A plain progress line at most this often."""


class Sampling:
    """How far a chunk's sampling is: the step, and the time left from what was done so far."""

    def __init__(self) -> None:
        self._step = ""
        self._began: tuple[int, float] | None = None  # parts done, and when

    def begin(self) -> None:
        """A chunk begins."""
        self._step, self._began = "", None

    def step(self, step: int, steps: int) -> str:
        self._step = f" [{step}/{steps}]"
        return self._step

    def progress(self, done: int, total: int) -> str:
        now = time.monotonic()
        first, start = self._began = self._began or (done, now)
        if done == first:  # its parts may have waited for weights to be loaded
            return self._step
        left = (total - done) * (now - start) / (done - first)
        return f"{self._step} {left:.0f} s of sampling left"


class Pace:
    """Pictures a second and the time left, reckoned from the first chunk of this run: an engine may
    give all pictures of a chunk at once, when minutes of work are done."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0

    def begin(self) -> None:
        """A chunk begins."""
        if self._began is None:
            self._began = time.monotonic()

    def tell(self, done: int, total: int) -> str:
        began = self._began or time.monotonic()
        self._first = self._first or done  # what an earlier run made, and one more
        rate = (done - self._first + 1) / max(time.monotonic() - began, 1e-6)
        return f"{rate:.1f} frames/s, {(total - done) / rate:.0f} s left"


def _node(event: NodeProgress) -> str:
    return f" {event.node}" + (f" [{event.done}/{event.total}]" if event.total else "")


class Reporter(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def handle(self, event: Event) -> None: ...


def make_reporter(*, quiet: bool) -> Reporter:
    """All progress goes to stderr, so that stdout holds results only."""
    if quiet:
        return Silent()
    console = Console(stderr=True, highlight=False)
    return Live(console) if console.is_terminal else Plain()


class Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def handle(self, event: Event) -> None:
        pass


class Plain(Silent):
    """One line for each thing that changes, for logs."""

    def __init__(self) -> None:
        self._chunk = ""
        self._last = 0.0
        self._pace = Pace()
        self._sampling = Sampling()

    def handle(self, event: Event) -> None:
        match event:
            case Notice(message):
                self._print(spell(message))
            case StageStarted(stage):
                self._print(f"{stage} ...")
            case ChunkStarted(index, count, frames):
                self._chunk = f"chunk {index + 1}/{count}"
                self._sampling.begin()
                self._pace.begin()
                self._print(f"{self._chunk}: {frames} frames")
            case ChunkSealed(index, count, resumed=True):
                self._print(f"chunk {index + 1}/{count}: done by an earlier run")
            case SoundRead(seconds, total):
                self._now_and_then(_reading(seconds, total), last=False)
            case StepDone(_, step, steps):
                told = self._sampling.step(step, steps)
                self._now_and_then(self._chunk + told, last=step == steps)
            case SamplingProgress(_, done, total):
                self._now_and_then(self._chunk + self._sampling.progress(done, total), last=False)
            case NodeProgress():
                self._now_and_then(self._chunk + _node(event), last=False)
            case FrameDone(done, total):
                self._now_and_then(self._frames(done, total), last=done == total)
            case _:
                pass

    def _frames(self, done: int, total: int) -> str:
        return f"[{done}/{total}] {self._chunk}, {self._pace.tell(done, total)}"

    def _now_and_then(self, text: str, *, last: bool) -> None:
        if last or time.monotonic() - self._last > _PLAIN_SECONDS:
            self._last = time.monotonic()
            self._print(text)

    def _print(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


class Live(Silent):
    """Stage, chunk i/n, frames, rate and time left on one line."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:9}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[frames]}"),
            TextColumn("{task.fields[rate]}"),
            console=console,
            expand=True,
            transient=True,
        )
        self._task: TaskID | None = None
        self._chunk = ""
        self._sampling = Sampling()
        self._pace = Pace()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def handle(self, event: Event) -> None:
        match event:
            case Notice(message):
                self._progress.console.print(spell(message), markup=False)
            case StageStarted(stage):
                self._show(stage, 0, None)
            case ChunkStarted(index, count, _):
                self._chunk = f"chunk {index + 1}/{count}"
                self._sampling.begin()
                self._pace.begin()
                self._show(self._chunk, None, None)
            case SoundRead(seconds, total):
                self._show(_reading(seconds, total), None, None)
            case StepDone(_, step, steps):
                self._show(self._chunk + self._sampling.step(step, steps), None, None)
            case SamplingProgress(_, done, total):
                self._show(self._chunk + self._sampling.progress(done, total), None, None)
            case NodeProgress():
                self._show(self._chunk + _node(event), None, None)
            case FrameDone(done, total):
                self._show(self._chunk, done, total)
            case _:
                pass

    def _show(self, text: str, done: int | None, total: int | None) -> None:
        if self._task is None:
            self._task = self._progress.add_task(text, total=None, frames="", rate="")
        if done and total:
            self._progress.update(
                self._task, description=text, completed=done, total=total,
                frames=f"{done}/{total}", rate=self._pace.tell(done, total),
            )  # fmt: skip
        else:
            self._progress.update(self._task, description=text)


def _reading(seconds: float, total: float) -> str:
    return f"sound [{seconds:.0f} s{f' of {total:.0f} s' if total >= seconds else ''}]"
