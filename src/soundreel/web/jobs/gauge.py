"""From a job's events to what a client is told: a percentage, what goes on, pictures on the way."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from soundreel.events import (
    ChunkSealed,
    ChunkStarted,
    Event,
    FrameChecked,
    FrameDone,
    FrameJoined,
    Notice,
    SamplingProgress,
    StageStarted,
    StepDone,
    StepPreview,
)
from soundreel.progress.teller import Teller

_EVERY_S = 0.2
"""Told at most so often, but for what lasts."""
_RENDERED, _JOINED = 90, 97
"""Percent when all pictures are made, and when they are joined."""
_IN_STEPS = 0.95
"""Of a part's time, what its sampling steps take of it."""


class Gauge:
    """Hears events, and says messages: {"now": ...}, {"notice": ...}, {"preview": ...}."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        self._say = say
        self._teller = Teller()
        self._share = self._last = 0.0
        self._percent = self._chunk = 0
        self._chunks = 1
        self._about: dict[str, Any] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, StepPreview):
            image = b64encode(event.image).decode()
            about = {"chunk": event.chunk, "step": event.step, "type": event.mime_type}
            self._say({"preview": {**about, "image": image}})
            return
        for line in self._teller.lasting(event):
            self._say({"notice": line})
        told = self._teller.now(event)
        self._count(event)
        now = time.monotonic()
        lasting = isinstance(event, (StageStarted, ChunkStarted, ChunkSealed))
        if (
            isinstance(event, Notice)
            or told is None
            or not (lasting or now - self._last > _EVERY_S)
        ):
            return
        self._last = now
        self._say({"now": {**asdict(told), **self._about}, "progress": self._percent})

    def _count(self, event: Event) -> None:
        match event:
            case StageStarted(stage):
                self._about = {"stage": stage}
            case ChunkStarted(index, count, _):
                self._chunk, self._chunks = index, count
                self._about |= {"chunk": index + 1, "chunks": count, "step": None, "steps": None}
                self._reach(_RENDERED * index / count)
            case StepDone(_, step, steps):
                self._about |= {"step": step, "steps": steps}
                self._within(step / steps)
            case SamplingProgress(_, done, total):
                self._within(done / total)
            case FrameDone(done, total):
                self._about |= {"frame": done, "frames": total}
                self._reach(_RENDERED * done / total)
            case FrameJoined(done, total):
                self._reach(_RENDERED + (_JOINED - _RENDERED) * done / total)
            case FrameChecked(done, total):
                self._reach(_JOINED + (99 - _JOINED) * min(1.0, done / max(1, total)))

    def _within(self, share: float) -> None:
        """So much of the sampling of the part that is being made."""
        self._reach(_RENDERED * (self._chunk + _IN_STEPS * share) / self._chunks)

    def _reach(self, percent: float) -> None:
        self._percent = max(self._percent, min(99, int(percent)))
