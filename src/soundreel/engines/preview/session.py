"""An opened preview: every frame is a pure function of its index, so there is no state to keep."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from soundreel.events import RunControl
from soundreel.types import Chunk, Estimate, Frame, Rgb

MAX_THREADS = 4

WORTH_S = 10.0
"""Seconds of work on two cores that are worth a process of their own, which takes one to start."""


class Scene(Protocol):
    def frame(self, i: int) -> Rgb:
        """Frame i; may be called from several threads at once."""
        ...


class PreviewSession:
    """Draws a few frames ahead on as many threads as the machine has cores, in order."""

    def __init__(
        self, scene_of: Callable[[Chunk], Scene], pool: ThreadPoolExecutor, ahead: int
    ) -> None:
        self._scene_of = scene_of
        self._pool = pool
        self._ahead = ahead

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        count = chunk.num_frames + chunk.lookahead_frames
        scene = self._scene_of(chunk)
        waiting: deque[tuple[int, Future[Rgb]]] = deque()
        upcoming = iter(range(chunk.start_frame, chunk.start_frame + count))
        try:
            for index in upcoming:
                waiting.append((index, self._pool.submit(scene.frame, index)))
                if len(waiting) >= self._ahead:
                    yield self._next(waiting, control)
            while waiting:
                yield self._next(waiting, control)
        finally:
            for _, future in waiting:
                future.cancel()

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing to take up: frames depend on the plan alone."""

    def _next(self, waiting: deque[tuple[int, Future[Rgb]]], control: RunControl) -> Frame:
        control.raise_if_cancelled()
        index, future = waiting.popleft()
        return Frame(index, future.result())


def thread_count(processes: int) -> int:
    """Of one of so many processes that share the machine."""
    return max(1, min(MAX_THREADS, core_count() // processes))


def core_count() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_worth(estimate: Estimate) -> int:
    """How many make it sooner done: one for each core and for each WORTH_S of work, since each
    hears the sound anew, as far as there is memory."""
    by_work = int((estimate.seconds or 0) / WORTH_S)
    return max(1, min(core_count(), by_work, room_for(estimate.memory_bytes or 1)))


def room_for(size: int) -> int:
    """How many processes of so many bytes half of this machine's memory holds, where it says it."""
    if not hasattr(os, "sysconf"):
        return core_count()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (2 * size)
