"""What only counts now: how far the running jobs are, and who wants to hear of changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of the state of sampling. number: counts those of a job."""

    image: bytes
    mime_type: str
    chunk: int
    step: int
    number: int


class Live:
    """Thread-safe. Changes are counted, so that a listener asks for what changed since it last
    looked: a slow one hears less often, and nothing is kept for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[str, Mapping[str, Any]] = {}
        self._previews: dict[str, Preview] = {}
        self._changed: dict[str, int] = {}
        self._count = 0
        self._listeners: list[Callable[[], None]] = []

    def tell(self, key: str, now: Mapping[str, Any]) -> None:
        with self._lock:
            self._now[key] = dict(now)
        self.touch(key)

    def show(self, key: str, image: bytes, mime_type: str, chunk: int, step: int) -> None:
        with self._lock:
            number = self._previews[key].number + 1 if key in self._previews else 1
            self._previews[key] = Preview(image, mime_type, chunk, step, number)
        self.touch(key)

    def end(self, key: str) -> None:
        """The job runs no more, or is gone."""
        with self._lock:
            self._now.pop(key, None)
            self._previews.pop(key, None)
        self.touch(key)

    def touch(self, key: str) -> None:
        """Something about the job is new."""
        with self._lock:
            self._count += 1
            self._changed.pop(key, None)
            self._changed[key] = self._count  # the newest last
            while len(self._changed) > _KEPT:
                self._changed.pop(next(iter(self._changed)))
            listeners = list(self._listeners)
        for listener in listeners:
            with suppress(RuntimeError):  # its event loop is closed
                listener()

    def now(self, key: str) -> Mapping[str, Any] | None:
        with self._lock:
            return self._now.get(key)

    def preview(self, key: str) -> Preview | None:
        with self._lock:
            return self._previews.get(key)

    @property
    def count(self) -> int:
        with self._lock:
            return self._count

    def changed_since(self, count: int) -> tuple[list[str], int]:
        """The jobs about which something is new, and the count to ask with next."""
        with self._lock:
            return [key for key, when in self._changed.items() if when > count], self._count

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """`listener` is called after every change, from any thread, until what this returns is."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock, suppress(ValueError):
                self._listeners.remove(listener)

        return stop


_KEPT = 10_000
"""Jobs whose last change is remembered: more change between two looks of nobody."""
