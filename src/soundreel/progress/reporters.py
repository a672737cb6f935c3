"""Who shows it: a live line on a terminal, plain lines in a log, a bar in a notebook."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn

from soundreel.events import ChunkStarted, Event, FrameDone, RunControl, StageStarted, StepDone
from soundreel.progress.teller import Teller, Told

_PLAIN_SECONDS = 5.0
"""A plain progress line at most this often."""
_NOTEBOOK_SECONDS = 0.2
"""A notebook's bar moves at most this often."""
_NARROW = 64
"""Columns below which there is no room for a bar beside the numbers."""


class Reporter(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def handle(self, event: Event) -> None: ...


def make_reporter(*, quiet: bool = False, spell: Callable[[str], str] = str) -> Reporter:
    """The one that fits the place. All goes to stderr, so that stdout holds results only."""
    if quiet:
        return Silent()
    if _in_notebook():
        return Notebook(spell)
    console = Console(stderr=True, highlight=False)
    return Live(console, spell) if console.is_terminal else Plain(spell)


@contextmanager
def progress_bar() -> Iterator[RunControl]:
    """A control whose job is seen while it runs:

    with progress_bar() as control:
        result = generate(request, control=control)
    """
    with make_reporter() as reporter:
        yield RunControl(reporter.handle)


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")  # IPython on a terminal has none


class Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def handle(self, event: Event) -> None:
        pass


class Plain(Silent):
    """One line for each thing that changes, for logs."""

    def __init__(self, spell: Callable[[str], str] = str) -> None:
        self._teller = Teller(spell)
        self._last = 0.0

    def handle(self, event: Event) -> None:
        for line in self._teller.lasting(event):
            self._print(line)
        told = self._teller.now(event)
        if told is None:
            return
        if isinstance(event, StageStarted):
            self._print(f"{told.what} ...")
        elif self._is_due(event):
            self._last = time.monotonic()
            self._print(_plain_line(told))

    def _is_due(self, event: Event) -> bool:
        match event:
            case ChunkStarted():
                return True
            case FrameDone(done, total) | StepDone(_, done, total) if done == total:
                return True
            case _:
                return time.monotonic() - self._last > _PLAIN_SECONDS

    def _print(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _plain_line(told: Told) -> str:
    count = f"[{told.count}] " if told.count else ""
    return count + ", ".join(filter(None, (told.now, told.speed, told.time_left)))


class Live(Silent):
    """What, how much of it, how fast and how long still, on one line."""

    def __init__(self, console: Console, spell: Callable[[str], str] = str) -> None:
        self._teller = Teller(spell)
        self._progress = Progress(
            *_columns(console.width), console=console, expand=True, transient=True
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def handle(self, event: Event) -> None:
        for line in self._teller.lasting(event):
            self._progress.console.print(line, markup=False)
        told = self._teller.now(event)
        if told is not None:
            self._show(told)

    def _show(self, told: Told) -> None:
        shown: dict[str, Any] = {
            "description": told.now,
            "numbers": " ".join(filter(None, (told.count, told.speed))),
            "count": told.count,
            "left": told.time_left,
        }
        if self._task is None:
            self._task = self._progress.add_task(total=None, **shown)
        self._progress.update(
            self._task, completed=told.done, total=told.total or None, **shown
        )  # without a total the bar says only that something goes on


def _columns(width: int) -> list[ProgressColumn]:
    what, left = "{task.description}", "{task.fields[left]}"
    if width < _NARROW:
        texts = (what, "{task.fields[count]}", left)
        return [TextColumn(text, markup=False) for text in texts]
    return [
        TextColumn(what, markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[numbers]}", markup=False),
        TextColumn(left, markup=False),
    ]


class Notebook(Silent):
    """A bar under the cell, by what every front end shows: HTML that is written anew."""

    def __init__(self, spell: Callable[[str], str] = str) -> None:
        self._teller = Teller(spell)
        self._ipython: Any = import_module("IPython.display")
        self._lines: list[str] = []
        self._last = 0.0
        self._handle: Any = None

    def __enter__(self) -> Self:
        self._handle = self._ipython.display(self._ipython.HTML(""), display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def handle(self, event: Event) -> None:
        lasting = self._teller.lasting(event)
        self._lines += lasting
        told = self._teller.now(event)
        late = time.monotonic() - self._last > _NOTEBOOK_SECONDS
        if lasting or (told is not None and (late or isinstance(event, StageStarted))):
            self._last = time.monotonic()
            self._write("" if told is None else _bar(told))

    def _write(self, bar: str) -> None:
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in self._lines)
        self._handle.update(self._ipython.HTML(lines + bar))


def _bar(told: Told) -> str:
    """Without a total it says only that something goes on."""
    amount = f' value="{told.done}" max="{told.total}"' if told.total else ""
    return f"<progress{amount}></progress> {html.escape(_plain_line(told))}"
