"""A few round bars on plain paper, and a hairline that says how far the clip is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from soundreel.engines.preview.canvas.layer import Layer, clear, disc, line
from soundreel.engines.preview.staging.layout import Shape
from soundreel.engines.preview.staging.stage import Light, Stage

COUNT = 7

WIDTH, STEP = 0.052, 0.098
"""Of a bar, and from bar to bar, in units."""

REACH: dict[Shape, float] = {"tall": 0.36, "square": 0.27, "wide": 0.24}
"""Half the length of a full bar, in units."""


class Minimal:
    light: ClassVar[Light] = None
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage = stage
        self._middle = layout.middle
        self._reach = REACH[layout.shape] * layout.unit
        left, _, right, bottom = layout.safe
        self._line = (left, right, bottom)

    def draw(self, i: int) -> Layer:
        drive, layout, inks = self._stage.drive, self._stage.layout, self._stage.inks
        layer = clear(layout.size)
        for k in range(COUNT):
            away = abs(k - COUNT // 2)
            band = 2 * away
            level = min(1.0, float(drive.bands[i, band : band + 2].max()))
            half = 0.001 * layout.unit + self._reach * level * (1 - 0.13 * away)
            x = self._middle[0] + (k - COUNT // 2) * STEP * layout.unit
            ends = np.array([[x, self._middle[1] - half], [x, self._middle[1] + half]])
            line(layer, ends, inks.at(0.33 if away else 0.0, 0.85), WIDTH * layout.unit)
        self._progress(layer, i)
        return layer

    def _progress(self, layer: Layer, i: int) -> None:
        layout, inks = self._stage.layout, self._stage.inks
        left, right, y = self._line
        x = left + (right - left) * float(self._stage.drive.progress[i])
        thin = max(1.0, 0.003 * layout.unit)
        line(layer, np.array([[left, y], [right, y]]), inks.at(0.0, 0.85, 0.25), thin)
        line(layer, np.array([[left, y], [x, y]]), inks.at(0.0, 0.85), thin * 1.5)
        disc(layer, (x, y), 0.009 * layout.unit, inks.at(0.0, 0.85))
