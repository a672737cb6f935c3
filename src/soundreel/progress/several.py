"""Progress of several jobs: one after the other, or at once, a line each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from soundreel.events import Event
from soundreel.progress.reporters import Reporter, make_reporter
from soundreel.progress.teller import Teller

_PLAIN_SECONDS = 10.0
"""A plain progress line of a job at most this often."""
_NAME, _WHAT = 20, 24
"""Columns of a terminal for a job's name, and for what it does."""
_NARROW = 72
"""Columns below which there is no room for a bar."""


class Screen(Protocol):
    """A context manager. Jobs are told apart by a number."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def begin(self, job: int, name: str) -> None: ...

    def tell(self, job: int, event: Event) -> None: ...

    def end(self, job: int) -> None: ...

    def say(self, name: str, lines: Sequence[str]) -> None:
        """Lines about a job, which stay."""
        ...


def make_screen(*, quiet: bool, at_once: int, spell: Callable[[str], str] = str) -> Screen:
    """The one that fits the place, on stderr. at_once: how many jobs may run side by side."""
    console = Console(stderr=True, highlight=False)
    if quiet or at_once < 2:
        return OneByOne(lambda: make_reporter(quiet=quiet, spell=spell))
    return SeveralLive(console, spell) if console.is_terminal else SeveralPlain(spell)


class _Base:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, name: str, lines: Sequence[str]) -> None:  # noqa: ARG002
        _print("\n".join(lines))


class OneByOne(_Base):
    """As if each job were the only one."""

    def __init__(self, make: Callable[[], Reporter]) -> None:
        self._make = make
        self._reporters: dict[int, Reporter] = {}

    def __exit__(self, *_: object) -> None:
        for job in list(self._reporters):
            self.end(job)

    def begin(self, job: int, name: str) -> None:  # noqa: ARG002
        self._reporters[job] = self._make().__enter__()

    def tell(self, job: int, event: Event) -> None:
        self._reporters[job].handle(event)

    def end(self, job: int) -> None:
        self._reporters.pop(job).__exit__(None, None, None)


class SeveralPlain(_Base):
    """Lines for a log, each with the name of its job."""

    def __init__(self, spell: Callable[[str], str] = str) -> None:
        self._spell = spell
        self._jobs: dict[int, tuple[str, Teller]] = {}
        self._last: dict[int, float] = {}

    def begin(self, job: int, name: str) -> None:
        self._jobs[job], self._last[job] = (name, Teller(self._spell)), time.monotonic()

    def tell(self, job: int, event: Event) -> None:
        name, teller = self._jobs[job]
        for line in teller.lasting(event):
            _print(f"{name}: {line}")
        told, now = teller.now(event), time.monotonic()
        if told is not None and now - self._last[job] > _PLAIN_SECONDS:
            self._last[job] = now
            _print(", ".join(filter(None, (f"{name}: {told.now}", told.count, told.time_left))))

    def end(self, job: int) -> None:
        del self._jobs[job]

    def say(self, name: str, lines: Sequence[str]) -> None:
        _print("\n".join(f"{name}: {line}" for line in lines))


class SeveralLive(_Base):
    """A line a job that runs; what stays is written above them."""

    def __init__(self, console: Console, spell: Callable[[str], str] = str) -> None:
        self._spell = spell
        self._progress = Progress(*_columns(console.width), console=console, transient=True)
        self._jobs: dict[int, tuple[str, Teller, TaskID]] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, job: int, name: str) -> None:
        task = self._progress.add_task("starting", total=None, name=name, count="", left="")
        self._jobs[job] = (name, Teller(self._spell), task)

    def tell(self, job: int, event: Event) -> None:
        name, teller, task = self._jobs[job]
        self.say(name, teller.lasting(event))
        told = teller.now(event)
        if told is not None:
            left = told.time_left.removeprefix("time left ")
            shown: dict[str, Any] = {"count": told.count, "left": left, "total": told.total or None}
            self._progress.update(task, description=told.now, completed=told.done, **shown)

    def end(self, job: int) -> None:
        self._progress.remove_task(self._jobs.pop(job)[2])

    def say(self, name: str, lines: Sequence[str]) -> None:
        for line in lines:
            self._progress.console.print(f"{name}: {line}", markup=False)


def _columns(width: int) -> list[TextColumn | BarColumn]:
    def text(field: str, most: int | None = None) -> TextColumn:
        column = Column(no_wrap=True, overflow="ellipsis", max_width=most)
        return TextColumn(f"{{task.{field}}}", markup=False, table_column=column)

    first = [text("fields[name]", _NAME), text("description", _WHAT)]
    last = [text("fields[count]"), text("fields[left]")]
    return [*first, *last] if width < _NARROW else [*first, BarColumn(bar_width=None), *last]


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
