"""Arcs round a middle, one a band, low inside: as long as the band is loud. Wave fronts run out
from them on strong sounds. In a wide frame they rise from the floor."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    Colour,
    Layer,
    clear,
    disc,
    glowing,
    line,
)
from soundreel.engines.preview.staging.layout import Layout
from soundreel.engines.preview.staging.polar import on_circle
from soundreel.engines.preview.staging.stage import Light, Stage

COUNT = 8

FIRST, STEP, WIDTH = 0.085, 0.043, 0.021
"""Radius of the first ring, distance to the next, and width, in units."""

RISING = 1.75
"""Rings that rise from the floor are so much larger."""

TURN = 0.06
"""Turns of a ring a unit of the drive's travel; each other one turns back."""

FRONT_LIFE_S = 1.4


class Rings:
    light: ClassVar[Light] = (0.5, 0.5)
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage, self._rises = stage, layout.shape == "wide"
        self._scale = layout.unit * (RISING if self._rises else _fitting(layout))
        bottom = layout.safe[3]
        self._centre = (layout.width / 2, bottom) if self._rises else layout.middle
        hues = np.linspace(0, 0.75, COUNT)
        self._hues = hues.tolist()
        self._tracks = self._drawn_tracks()

    def draw(self, i: int) -> Layer:
        drive, layout = self._stage.drive, self._stage.layout
        layer = self._tracks.copy()
        self._fronts(layer, i)
        for k in range(COUNT):
            self._ring(layer, k, i)
        core = 0.024 + 0.022 * float(drive.bass[i]) + 0.012 * float(drive.flash[i])
        disc(layer, self._centre, core * self._scale, self._stage.inks.at(0.0, 1.0))
        glow = 0.22 + 0.33 * float(drive.glow[i])
        return glowing(layer, glow, 0.02 * layout.unit)

    def _ring(self, layer: Layer, k: int, i: int) -> None:
        drive = self._stage.drive
        level = min(float(drive.bands[i, k]), 1.0)
        length = 0.02 + 0.9 * level
        ink = self._stage.inks.at(self._hues[k], 0.6 + 0.35 * level)
        turn = TURN * float(drive.travel[i]) * (-1) ** k
        self._arc(layer, k, length, turn, ink)

    def _drawn_tracks(self) -> Layer:
        layer = clear(self._stage.layout.size)
        for k, hue in enumerate(self._hues):
            self._arc(layer, k, 1.0, 0.0, self._stage.inks.at(hue, 0.85, 0.16))
        return layer

    def _arc(self, layer: Layer, k: int, length: float, turn: float, ink: Colour) -> None:
        """length: as a share of the whole way; from the top to both sides, or from the left to the
        right where rings rise."""
        radius = (FIRST + STEP * k) * self._scale
        count = 12 + round(84 * length)
        if self._rises:
            turns = 0.25 + 0.5 * length * np.linspace(0, 1, count)
        else:
            turns = 0.5 + turn + length * np.linspace(-0.5, 0.5, count)
        line(layer, on_circle(self._centre, radius, turns), ink, WIDTH * self._scale)

    def _fronts(self, layer: Layer, i: int) -> None:
        drive = self._stage.drive
        first = int(np.searchsorted(drive.hits, i - FRONT_LIFE_S * drive.fps))
        last = int(np.searchsorted(drive.hits, i, side="right"))
        outer = FIRST + STEP * (COUNT - 1) + 1.5 * WIDTH
        for hit, strength in zip(drive.hits[first:last], drive.strengths[first:last], strict=True):
            age = (i - int(hit)) / drive.fps
            left = max(0.0, 1 - age / FRONT_LIFE_S)
            radius = (outer + 0.9 * age) * self._scale
            ink = self._stage.inks.at(0.75, 0.9, 0.75 * min(1.0, float(strength)) * left**1.5)
            points = on_circle(self._centre, radius, _WHOLE)
            line(layer, points, ink, (0.004 + 0.008 * left) * self._scale, closed=True)


_WHOLE: NDArray[np.float64] = np.linspace(0, 1, 160, endpoint=False)


def _fitting(layout: Layout) -> float:
    """How large the rings are such that they fill what is safe."""
    left, top, right, bottom = layout.safe
    room = min(right - left, bottom - top) / layout.unit / 2
    return room / (FIRST + STEP * (COUNT - 1) + WIDTH) * 0.98
