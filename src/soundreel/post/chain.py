"""What happens to pictures between engine and encoder, chunk after chunk."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Protocol

from soundreel.post.steady import make_steady
from soundreel.types import Chunk, Plan, Rgb
from soundreel.work.job import Fixed

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


class _NothingWaits:
    """In place of a state that jobs of earlier versions had: pictures that waited to be mixed."""

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass


def make_post_filter(plan: Plan, fixed: Fixed, paces: Path) -> PostFilter:
    """The filter that a plan asks for; nothing is left to do where the engine interpolates.
    fixed: keeps what is decided on the way; paces: the folder in which networks note theirs."""
    interpolation = plan.interpolation
    if interpolation.method == "none" or interpolation.by_engine:
        return PassThrough()
    from soundreel.post.interpolate import Interpolator, make_between

    between = make_between(interpolation, fixed, paces)
    return Interpolator(interpolation.factor, plan.output_frames, between)


class Post:
    """All that is done to a shot's pictures by themselves, with one state; see `PostFilter` and
    `Steady`. steadied: the engine keeps its takes steady itself."""

    def __init__(self, plan: Plan, fixed: Fixed, paces: Path, *, steadied: bool = False) -> None:
        self.rate = make_post_filter(plan, fixed, paces)
        coming = plan.output_fps if plan.interpolation.by_engine else plan.fps
        self.steady = None if steadied else make_steady(plan, coming)
        fades = any(shot.fade_in for shot in plan.shots)
        optional = (_NothingWaits() if fades else None, self.steady)
        self._stages = (self.rate, *(stage for stage in optional if stage is not None))

    def enter(self, chunk: Chunk) -> None:
        """Called before the first picture of each chunk."""
        if self.steady is not None:
            self.steady.enter(chunk)

    def steadied(self, rgb: Rgb) -> Rgb:
        """A picture of the engine, as it should look."""
        return rgb if self.steady is None else self.steady.corrected(rgb)

    def snapshot(self) -> bytes:
        states = [stage.snapshot() for stage in self._stages]
        if len(states) == 1:
            return states[0]
        return b"".join(_LENGTH.pack(len(state)) + state for state in states)

    def restore(self, state: bytes) -> None:
        """An empty state is that before a shot."""
        framed, at = len(self._stages) > 1 and state, 0
        for stage in self._stages:
            own = state
            if framed:
                begin = at + _LENGTH.size
                at = begin + _LENGTH.unpack_from(state, at)[0]
                own = state[begin:at]
            stage.restore(own)
