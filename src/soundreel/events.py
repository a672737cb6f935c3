"""What a job says while it runs, and how it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

from soundreel.errors import Cancelled, EngineError, mention
from soundreel.safe.text import shown


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all progress events. Their words are fit to print: a server's may be among them."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str):
                object.__setattr__(self, each.name, shown(value))


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage of the flow begins, e.g. "sound", "load model", "render", "finish"."""

    stage: str


@dataclass(frozen=True, slots=True)
class StageFinished(Event):
    """The stage ended after `seconds` of wall time."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ChunkStarted(Event):
    """Chunk `index` (from 0) of `count` begins; `num_frames` pictures are kept of it."""

    index: int
    count: int
    num_frames: int


@dataclass(frozen=True, slots=True)
class ChunkSealed(Event):
    """Chunk `index` of `count` lies finished on disk; `resumed` if an earlier run made it."""

    index: int
    count: int
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class StepDone(Event):
    """Sampling step `step` (from 1) of `steps` in chunk `chunk` is done."""

    chunk: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class SamplingProgress(Event):
    """`done` of `total` equal parts of the sampling of chunk `chunk` are done. Told inside the
    steps, where the engine can; a part is one block of the model in one pass."""

    chunk: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class NodeProgress(Event):
    """A server works on its node `node` ("Decode", "FILM") for chunk `chunk`: `done` of `total`
    parts, both 0 where it does not say."""

    chunk: int
    node: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FrameDone(Event):
    """`done` of `total` output pictures are encoded."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FrameJoined(Event):
    """`done` of `total` pictures stand in the finished file."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FrameChecked(Event):
    """`done` of about `total` pictures of a finished file have been looked at."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepPreview(Event):
    """A small picture of the state of sampling: encoded image bytes (`image/jpeg`, `image/png`)."""

    chunk: int
    step: int
    image: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class SoundRead(Event):
    """`seconds` of about `total` seconds of a sound file are decoded; told now and then while a
    long file is read, total 0 where the file does not say."""

    seconds: float
    total: float


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """One sentence the user should read: a choice made, a fallback taken, something resumed."""

    message: str


@dataclass(slots=True)
class RunControl:
    """Carries events out of a job and cancellation into it. Thread-safe."""

    on_event: Callable[[Event], None] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _limit: float | None = None
    _deadline: float | None = None
    """`time.monotonic()` at which the job's time is up."""

    def stop_after(self, seconds: float | None) -> None:
        """The time limit of the whole job, counted from now; None is no limit."""
        self._limit = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @contextmanager
    def stage(self, name: str, seconds: dict[str, float] | None = None) -> Iterator[None]:
        """Say that a stage of the flow begins and ends; its wall time goes into `seconds` too."""
        self.emit(StageStarted(name))
        start = time.monotonic()
        yield
        took = time.monotonic() - start
        if seconds is not None:
            seconds[name] = took
        self.emit(StageFinished(name, took))

    def emit(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)

    def cancel(self) -> None:
        """Ask the job to stop at the next frame or sampling step, or inside it where possible."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled when the job was stopped, EngineError when its time is up."""
        if self._stop.is_set():
            raise Cancelled("stopped on request")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise EngineError(
                f"the job was not finished within {mention(timeout=self._limit)} seconds",
                hint="run the same command again: it goes on from the last finished part",
            )

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raises at once when the job is stopped, or its time is up."""
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._deadline - time.monotonic()))
        self._stop.wait(seconds)
        self.raise_if_cancelled()
