"""What makes units: a process of this machine, a server, a worker of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from soundreel.events import Event
from soundreel.render.maker import MadeChunk, Task


class HandLost(Exception):
    """A hand ended, or is out of reach, in the middle of a task. Says how.

    tries: a chunk that so many hands were lost over is an error; 0 where it has no part in it.
    error: what is raised then, where that says more.
    """

    def __init__(self, how: str = "", *, tries: int = 2, error: BaseException | None = None):
        super().__init__(how)
        self.tries, self.error = tries, error


class Hand(Protocol):
    """One task at a time; `make` and `is_back` are called from a thread of the hand's own."""

    @property
    def name(self) -> str:
        """As the sidecar says who made what; "" where it makes no difference."""
        ...

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        """Chunk after chunk, each with its files on this machine, in the job's folder: they are the
        caller's, whatever becomes of the hand. Raises HandLost where another try, by this hand or
        another, may help; else as `Maker.make`."""
        ...

    def is_back(self) -> bool:
        """Asked after HandLost: waits until it can be given another task, if that is worth it.
        False where it never will."""
        ...

    def finish(self) -> None:
        """There is nothing more to do. Free all, and return when that is done."""
        ...

    def stop(self) -> None:
        """End at once, whatever it does: from any thread, at any moment, more than once. `make`
        then raises HandLost, `is_back` gives False."""
        ...


@runtime_checkable
class Taking(Protocol):
    """A hand that cannot take a task at any time when it has none."""

    def take(self) -> bool:
        """Whether it can be given one now; it is then its own, and `make` follows."""
        ...
