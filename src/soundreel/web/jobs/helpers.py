"""Children that answer short questions, one by one: what a file is, what a video would cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from soundreel.documents.failures import error_json
from soundreel.errors import EngineError
from soundreel.farm.child import Child, ChildFailed

WORK = "soundreel.web.jobs.work"
"""What children can do."""

_COUNT = 2
_CALLS = 200
"""After so many a new one takes its place: media libraries leak."""


class Helpers:
    """A few children, made when they are needed. Thread-safe."""

    def __init__(self, seconds: float) -> None:
        """seconds: how long a question may take, waiting included."""
        self._seconds = seconds
        self._idle: list[tuple[Child, int]] = []
        self._lock, self._free = threading.Lock(), threading.Semaphore(_COUNT)

    def ask(self, work: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises ChildFailed, also where it takes too long."""
        began = time.monotonic()
        with self._one() as child:
            left = self._seconds - (time.monotonic() - began)
            return child.call(work, arguments, seconds=max(0.0, left))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for child, _ in idle:
            child.close()

    @contextmanager
    def _one(self) -> Iterator[Child]:
        if not self._free.acquire(timeout=self._seconds):
            busy = EngineError("the server is busy with other files", hint="try again in a minute")
            raise ChildFailed(error_json(busy) | {"code": "busy"})
        try:
            with self._lock:
                child, calls = self._idle.pop() if self._idle else (None, 0)
            if child is None or not child.alive:
                child, calls = Child(WORK), 0
            try:
                yield child
            finally:
                self._put_back(child, calls + 1)
        finally:
            self._free.release()

    def _put_back(self, child: Child, calls: int) -> None:
        if calls < _CALLS and child.alive:
            with self._lock:
                self._idle.append((child, calls))
        else:
            child.close()
