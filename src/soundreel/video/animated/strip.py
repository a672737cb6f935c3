"""The pictures that are drawn, and how long each is shown where times are coarse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from soundreel.timeline.grid import nearest_tick
from soundreel.types import Rgb


@dataclass(frozen=True, slots=True)
class Strip:
    """pictures: gives all of them in order, as often as it is asked. size: width, height."""

    pictures: Callable[[], Iterator[Rgb]]
    size: tuple[int, int]
    fps: Fraction


def stamp(index: int, fps: Fraction, tick: Fraction) -> int:
    """When picture `index` begins, in whole ticks: the nearest to index/fps, so that no picture,
    and no end of all pictures, is off by more than half a tick."""
    return nearest_tick(index / fps, tick)


def delay(index: int, fps: Fraction, tick: Fraction) -> int:
    """How many ticks picture `index` is shown."""
    return stamp(index + 1, fps, tick) - stamp(index, fps, tick)
