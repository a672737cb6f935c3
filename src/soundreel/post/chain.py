"""What happens to pictures between engine and encoder, chunk after chunk."""

from __future__ import annotations

from typing import Protocol

from soundreel.types import Interpolation, Rgb


class PostFilter(Protocol):
    """Takes generated pictures in order and gives output pictures in order."""

    def push(self, rgb: Rgb) -> list[Rgb]:
        """The output pictures that are ready once `rgb` is known."""
        ...

    def finish(self, following: Rgb | None) -> list[Rgb]:
        """The rest of a shot; `following` is the generated picture after its last, if any."""
        ...

    def snapshot(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


class PassThrough:
    """Every picture goes out as it came in."""

    def push(self, rgb: Rgb) -> list[Rgb]:
        return [rgb]

    def finish(self, following: Rgb | None) -> list[Rgb]:  # noqa: ARG002
        return []

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass


def make_post_filter(interpolation: Interpolation) -> PostFilter:
    """The filter that a plan asks for; nothing is left to do where the engine interpolates."""
    if interpolation.method == "none" or interpolation.by_engine:
        return PassThrough()
    from soundreel.post.interpolate import Interpolator

    return Interpolator(interpolation.factor, interpolation.method)
