"""What happens to pictures between engine and encoder, chunk after chunk."""

from __future__ import annotations

import struct
from typing import Protocol

from soundreel.post.crossfade import Crossfade
from soundreel.types import Plan, Rgb
from soundreel.work.job import Job

_LENGTH = struct.Struct(">Q")


class PostFilter(Protocol):
    """Takes generated pictures in order and gives output pictures in order."""

    def push(self, rgb: Rgb, index: int) -> list[Rgb]:
        """The output pictures that are ready once `rgb`, picture `index` of those that the engine
        makes, is known."""
        ...

    def finish(self, following: Rgb | None) -> list[Rgb]:
        """The rest of a shot; `following` is the generated picture after its last, if any."""
        ...

    def snapshot(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


class PassThrough:
    """Every picture goes out as it came in."""

    def push(self, rgb: Rgb, index: int) -> list[Rgb]:  # noqa: ARG002
        return [rgb]

    def finish(self, following: Rgb | None) -> list[Rgb]:  # noqa: ARG002
        return []

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass


def make_post_filter(plan: Plan, job: Job) -> PostFilter:
    """The filter that a plan asks for; nothing is left to do where the engine interpolates.
    job: keeps what is decided on the way."""
    interpolation = plan.interpolation
    if interpolation.method == "none" or interpolation.by_engine:
        return PassThrough()
    from soundreel.post.interpolate import Interpolator, make_between

    return Interpolator(interpolation.factor, plan.output_frames, make_between(interpolation, job))


class Post:
    """All that is done to a plan's pictures, with one state; see `PostFilter` and `Crossfade`."""

    def __init__(self, plan: Plan, job: Job) -> None:
        self.rate = make_post_filter(plan, job)
        self.crossfade = Crossfade()
        self._fades = any(shot.fade_in for shot in plan.shots)

    def snapshot(self) -> bytes:
        rate = self.rate.snapshot()
        if not self._fades:
            return rate
        return _LENGTH.pack(len(rate)) + rate + self.crossfade.snapshot()

    def restore(self, state: bytes) -> None:
        """An empty state is that before a shot whose pictures are not mixed."""
        rate, held = state, b""
        if self._fades and state:
            end = _LENGTH.size + _LENGTH.unpack_from(state)[0]
            rate, held = state[_LENGTH.size : end], state[end:]
        self.rate.restore(rate)
        self.crossfade.restore(held)
