"""Where the parts of a card stand in a frame of any shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from soundreel.engines.preview.staging.layout import Layout


class Place(NamedTuple):
    """In pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class Places:
    """front: of the artwork, or of those who speak. title, artist: each of two lines at most.
    middle: whether they are centred. line: left and right end, and its height in the frame."""

    front: Place
    title: Place
    artist: Place
    bars: Place
    line: tuple[float, float, float]
    middle: bool


TITLE, ARTIST, BARS, GAP = 0.115, 0.065, 0.11, 0.045
"""Heights, in units; the last is what lies between."""


def arranged(layout: Layout, *, titled: bool, several: bool) -> Places:
    """titled: whether something is written; if not, the front takes its room. several: faces, which
    stand side by side."""
    beside = layout.shape == "wide" and not several
    return _beside(layout, titled) if beside else _below(layout, titled)


def _below(layout: Layout, titled: bool) -> Places:
    """The front above, all else under it."""
    left, top, right, bottom = layout.safe
    unit, width = layout.unit, right - left
    line = bottom - 0.02 * unit
    bars = Place(left, line - (BARS + 0.05) * unit, width, BARS * unit)
    foot = bars.top - 0.6 * GAP * unit
    artist = Place(left, foot - ARTIST * unit, width, ARTIST * unit)
    title = Place(left, artist.top - TITLE * unit, width, TITLE * unit)
    room = (title.top if titled else bars.top) - GAP * unit - top
    front = Place(left, top, width, room)
    return Places(front, title, artist, bars, (left, right, line), middle=True)


def _beside(layout: Layout, titled: bool) -> Places:
    """The front at the left, all else at its right."""
    left, top, right, bottom = layout.safe
    unit, height = layout.unit, bottom - top
    side = min(height, 0.46 * (right - left))
    front = Place(left, top + (height - side) / 2, side, side)
    begin = left + side + 1.9 * GAP * unit
    width = right - begin
    parts = (0.13, 0.065, 0.05, 0.16, 0.08) if titled else (0.0, 0.0, 0.0, 0.26, 0.08)
    tall = [part * unit for part in parts]
    y = top + (height - sum(tall)) / 2
    title = Place(begin, y, width, tall[0])
    artist = Place(begin, title.bottom, width, tall[1])
    bars = Place(begin, artist.bottom + tall[2], width, tall[3])
    line = (begin, right, bars.bottom + 0.6 * tall[4])
    return Places(front, title, artist, bars, line, middle=False)
