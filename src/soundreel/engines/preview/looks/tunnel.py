"""Gates of the frame's own shape that come nearer, as fast as it is loud: each lights with its
band, towards a light at the end."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import Layer, clear, disc, glowing, line
from soundreel.engines.preview.staging.layout import Layout
from soundreel.engines.preview.staging.stage import Light, Stage

GATES = 14

NEAREST, FARTHEST = 0.42, 9.0
"""Depths between which gates are seen; at 1 a gate is as large as the frame."""

PACE = 0.1
"""Shares of the way through the tunnel, a unit of the drive's travel."""

CORNER = 0.22
"""Radius of a gate's corners, in its smaller side."""

RAILS = 4


class Tunnel:
    light: ClassVar[Light] = (0.5, 0.46)
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage = stage
        self._middle = (layout.width / 2, layout.middle[1])
        self._gate = _gate(layout)

    def draw(self, i: int) -> Layer:
        drive, layout = self._stage.drive, self._stage.layout
        layer = clear(layout.size)
        travel = float(drive.travel[i])
        sway = np.array([np.sin(travel * 0.5), np.cos(travel * 0.37)]) * 0.03 * layout.unit
        self._end(layer, i, sway)
        for k in np.argsort(-self._depths(travel)).tolist():
            self._draw_gate(layer, k, i, sway)
        glow = 0.3 + 0.5 * float(drive.glow[i])
        return glowing(layer, glow, 0.02 * layout.unit)

    def _depths(self, travel: float) -> NDArray[np.float64]:
        """Of all gates: evenly spread as they are seen, so that the way does not thin out."""
        way = (np.arange(GATES) / GATES - travel * PACE) % 1.0
        return np.asarray(NEAREST * (FARTHEST / NEAREST) ** way)

    def _draw_gate(self, layer: Layer, k: int, i: int, sway: NDArray[np.float64]) -> None:
        drive, unit = self._stage.drive, self._stage.layout.unit
        depth = float(self._depths(float(drive.travel[i]))[k])
        way = np.log(depth / NEAREST) / np.log(FARTHEST / NEAREST)
        seen = min(1.0, 6 * way) * min(1.0, 3.5 * (1 - way))
        level = min(1.0, float(drive.bands[i, k % 8]) + 0.35 * float(drive.flash[i]))
        opacity = seen * (0.16 + 0.84 * level**1.2)
        ink = self._stage.inks.at(k / GATES, 0.7 + 0.4 * level, opacity)
        points = self._gate / depth + np.array(self._middle) + sway * (1 - 1 / depth)
        line(layer, points, ink, (0.004 + 0.012 * level) * unit / depth**0.8, closed=True)

    def _end(self, layer: Layer, i: int, sway: NDArray[np.float64]) -> None:
        drive, unit = self._stage.drive, self._stage.layout.unit
        size = 0.018 + 0.03 * float(drive.bass[i]) + 0.02 * float(drive.flash[i])
        x, y = np.array(self._middle) + sway * (1 - 1 / FARTHEST)
        disc(layer, (float(x), float(y)), size * unit, self._stage.inks.at(0.4, 1.8))


def _gate(layout: Layout) -> NDArray[np.float64]:
    """(n, 2) of a gate at depth 1 about 0, 0: as the frame, with round corners."""
    half = np.array([layout.width, layout.height]) / 2
    radius = CORNER * layout.unit
    turn = np.linspace(0, np.pi / 2, 9)
    arc = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius
    inner = half - radius
    quarters = []
    for x, y, flip in ((1, 1, 1), (-1, 1, -1), (-1, -1, 1), (1, -1, -1)):
        quarters.append((inner + arc)[::flip] * np.array([x, y]))
    return np.concatenate(quarters)
