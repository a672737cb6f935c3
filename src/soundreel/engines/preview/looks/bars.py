"""Spectrum bars with peaks that hang on and fall: standing on a floor that mirrors them, or, in a
tall frame, growing up and down from its middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    fills,
    glowing,
    stencil,
    through,
)
from soundreel.engines.preview.staging.inks import Inks
from soundreel.engines.preview.staging.layout import Layout, Shape
from soundreel.engines.preview.staging.stage import Light, Stage

COUNTS: dict[Shape, int] = {"wide": 48, "square": 32, "tall": 24}

FLOOR: dict[Shape, float] = {"wide": 0.72, "square": 0.74, "tall": 0.5}
"""Height of the floor, as a share of what is safe."""

BAR, PEAK = 0.62, 0.011
"""Width of a bar, as a share of its place; height of a peak, in units."""

LEAST = 0.008
"""Height of a bar in silence, in units."""

MIRROR = 0.26
"""Opacity of the mirror image at the floor."""


@dataclass(frozen=True, slots=True)
class _Places:
    """left, right: (n,) edges of the bars. floor: their foot. height: of a full one. Pixels."""

    left: NDArray[np.floating]
    right: NDArray[np.floating]
    floor: float
    height: float


class Bars:
    light: ClassVar[Light] = (0.5, 0.8)
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage, self._both = stage, layout.shape == "tall"
        self._count = COUNTS[layout.shape]
        self._places = _places(layout, self._count)
        self._paint = _paint(layout, stage.inks, self._places, self._both)

    def draw(self, i: int) -> Layer:
        layout, places = self._stage.layout, self._places
        levels, peaks = self._stage.bars(i, self._count)
        mask = stencil(layout.size)
        tops = LEAST * layout.unit + levels * places.height
        rest = 1.6 * LEAST * layout.unit + peaks * places.height
        fills(mask, self._rounded(places.floor - tops, places.floor), OPAQUE)
        high = places.floor - np.maximum(rest, tops + 0.4 * PEAK * layout.unit)
        fills(mask, self._rounded(high - PEAK * layout.unit, high), OPAQUE)
        _mirror(mask, round(places.floor))
        glow = 0.25 + 0.3 * float(self._stage.drive.glow[i])
        return glowing(through(mask, self._paint), glow, 0.02 * layout.unit)

    def _rounded(
        self, tops: NDArray[np.floating], bottom: NDArray[np.floating] | float
    ) -> NDArray[np.floating]:
        """(n, 12, 2): bars with round upper corners."""
        left, right = self._places.left, self._places.right
        radius = np.minimum((right - left) / 2, (bottom - tops) / 2)[:, None]
        x, y = radius * (1 - np.sin(_QUARTER)), radius * (1 - np.cos(_QUARTER))
        first, last, top = left[:, None], right[:, None], tops[:, None]
        foot = np.broadcast_to(np.asarray(bottom), tops.shape)[:, None]
        across = np.concatenate([first + x[:, ::-1], last - x, last, first], axis=1)
        down = np.concatenate([top + y[:, ::-1], top + y, foot, foot], axis=1)
        return np.stack([across, down], axis=2)


_QUARTER = np.linspace(0, np.pi / 2, 5)


def _places(layout: Layout, count: int) -> _Places:
    left, top, right, bottom = layout.safe
    floor = top + FLOOR[layout.shape] * (bottom - top)
    step = (right - left) / count
    edges = left + step * (np.arange(count) + (1 - BAR) / 2)
    return _Places(edges, edges + step * BAR, floor, (floor - top) * 0.96)


def _mirror(mask: NDArray[np.uint8], floor: int) -> None:
    """What is above the floor, below it too."""
    rows = min(floor, len(mask) - floor)
    mask[floor : floor + rows] = mask[floor - rows : floor][::-1]


def _paint(layout: Layout, inks: Inks, places: _Places, both: bool) -> Layer:
    """The colours that bars show where they are: hue from low to high, lighter upwards; below the
    floor fading, or as above where they grow both ways."""
    across = np.linspace(0, 0.62, layout.width)
    up = np.abs(places.floor - (np.arange(layout.height) + 0.5)) / places.height
    tone = 0.62 + 0.75 * np.clip(up, 0, 1) ** 1.5
    paint = clear(layout.size)
    paint[..., :3] = np.round(inks.rgb(*np.broadcast_arrays(across[None], tone[:, None])))
    paint[..., 3] = 255
    if not both:
        below = np.arange(layout.height) + 0.5 > places.floor
        fade = np.where(below, MIRROR * np.clip(1 - up * 2.2, 0, 1), 1)
        paint = np.round(paint * fade[:, None, None]).astype(np.uint8)
    return paint
