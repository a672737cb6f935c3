"""From a job's events to what a person is told. A chunk is a "part" here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soundreel.events import (
    ChunkSealed,
    ChunkStarted,
    Event,
    FrameChecked,
    FrameDone,
    FrameJoined,
    NodeProgress,
    Notice,
    SamplingProgress,
    SoundRead,
    StageStarted,
    StepDone,
)
from soundreel.timeline.grid import clock

_STAGES = {
    "inputs": "looking at the files",
    "render": "making pictures",
    "finish": "joining picture and sound",
    "check": "checking the video",
}
"""The flow's own stages in a person's words; engines name theirs for people."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is going on. detail: inside it; done, total: pictures, 0 where none are counted;
    rate: pictures a second; left: seconds to the end of the job; None is unknown."""

    what: str
    detail: str = ""
    done: int = 0
    total: int = 0
    rate: float | None = None
    left: float | None = None

    @property
    def now(self) -> str:
        return f"{self.what}, {self.detail}" if self.detail else self.what

    @property
    def count(self) -> str:
        return f"{self.done}/{self.total}" if self.total else ""

    @property
    def speed(self) -> str:
        return "" if self.rate is None else f"{self.rate:.1f} pictures/s"

    @property
    def time_left(self) -> str:
        return "" if self.left is None else f"time left {clock(self.left)}"


class Teller:
    """Keeps what a job said. spell: how options are written where it is read."""

    def __init__(self, spell: Callable[[str], str] = str) -> None:
        self._spell = spell
        self._what = self._step = ""
        self._kept: list[int] = []
        self._parts = self._part = 0
        self._pace = _Pace()

    def lasting(self, event: Event) -> list[str]:
        """Lines that stay readable after `event`."""
        if isinstance(event, ChunkSealed) and event.resumed:
            self._kept.append(event.index)
            self._parts = event.count
            return []
        lines = [_kept(self._kept, self._parts)] if self._kept else []
        self._kept = []
        return [*lines, self._spell(event.message)] if isinstance(event, Notice) else lines

    def now(self, event: Event) -> Told | None:
        """What is going on from `event` on; None where it changes nothing."""
        match event:
            case StageStarted(stage):
                self._what, self._step = _STAGES.get(stage, stage), ""
                return Told(self._what)
            case ChunkStarted(index, count, _):
                self._what, self._step = f"part {index + 1} of {count}", ""
                self._part, self._parts = index, count
                self._pace.begin()
                return Told(self._what)
            case SoundRead(seconds, total):
                of = f" of {clock(total)}" if total >= seconds else ""
                return Told("reading the sound", f"{clock(seconds)}{of}")
            case StepDone(_, step, steps):
                self._step = f"step {step} of {steps}"
                return Told(self._what, self._step)
            case SamplingProgress(_, done, total):
                following = self._parts - self._part - 1
                left = self._pace.sampling(done, total, following)
                return Told(self._what, self._step, left=left)
            case NodeProgress(_, node, done, total):
                return Told(self._what, f"{node} {done} of {total}" if total else node)
            case FrameDone(done, total):
                rate = self._pace.pictures(done)
                return Told(self._what, "", done, total, rate, (total - done) / rate)
            case FrameJoined(done, total) | FrameChecked(done, total):
                return Told(self._what, "", done, total)
            case _:
                return None


def _kept(parts: Sequence[int], count: int) -> str:
    number = len(parts)
    if number > 1 and list(parts) != list(range(number)):
        return f"{number} of {count} parts are there from an earlier run"
    if number == 1:
        return f"part {parts[0] + 1} of {count} is there from an earlier run"
    joined = "and" if number == 2 else "to"
    return f"parts 1 {joined} {number} of {count} are there from an earlier run"


class _Pace:
    """How fast it goes, reckoned from this run's first part: an engine may give all pictures of a
    part at once, when minutes of work are done."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0
        self._part_began = 0.0
        self._sampled: tuple[int, float] | None = None  # pieces of the sampling done, and when

    def begin(self) -> None:
        """A part begins."""
        self._part_began = time.monotonic()
        self._began = self._part_began if self._began is None else self._began
        self._sampled = None

    def pictures(self, done: int) -> float:
        """Pictures a second."""
        began = self._began or time.monotonic()
        self._first = self._first or done  # what an earlier run made, and one more
        return (done - self._first + 1) / max(time.monotonic() - began, 1e-6)

    def sampling(self, done: int, total: int, following: int) -> float | None:
        """Seconds left: of this part's sampling, and of the parts after it, which take as long."""
        now = time.monotonic()
        first, start = self._sampled = self._sampled or (done, now)
        if done == first:  # its pieces may have waited for weights to be loaded
            return None
        left = (total - done) * (now - start) / (done - first)
        return left + following * (now - self._part_began + left)
