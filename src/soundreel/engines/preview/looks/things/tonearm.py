"""The arm of a record player, from its pivot to where the needle is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import Layer, clear, colour, disc, line, over_layer
from soundreel.engines.preview.staging.layout import Shape

PIVOT: dict[Shape, tuple[float, float]] = {
    "tall": (0.395, -0.64),
    "square": (0.565, -0.47),
    "wide": (0.60, -0.46),
}
"""From the record's middle, in its diameters."""

STEEL, SHINE, HEAD, DARK = (186, 190, 198), (236, 239, 245), (92, 95, 102), (24, 25, 29)


class Tonearm:
    """centre, side: of the record, in pixels."""

    def __init__(self, centre: tuple[float, float], side: int, shape: Shape) -> None:
        self._centre, self._side = np.array(centre), side
        self._pivot = self._centre + np.array(PIVOT[shape]) * side
        self._apart = float(np.hypot(*PIVOT[shape])) * side
        self._length = 0.92 * self._apart

    def needle(self, radius: float) -> NDArray[np.float64]:
        """(2,) where it is on the groove of that radius: the arm's end lies on two circles."""
        apart, length = self._apart, self._length
        turn = np.arccos((length**2 + apart**2 - radius**2) / (2 * length * apart))
        way = (self._centre - self._pivot) / apart
        cos, sin = np.cos(turn), np.sin(turn)
        towards = np.array([way[0] * cos + way[1] * sin, way[1] * cos - way[0] * sin])
        return np.asarray(self._pivot + length * towards)

    def draw(self, layer: Layer, radius: float) -> None:
        """Over a layer, with its shadow; changes it."""
        own = clear((layer.shape[1], layer.shape[0]))
        needle = self.needle(radius)
        way = (needle - self._pivot) / self._length
        side = np.array([-way[1], way[0]])
        shadow = np.array([0.010, 0.016]) * self._side
        self._shape(own, needle + shadow, way, side, shadow, dark=True)
        over_layer_in(layer, own)
        own[:] = 0
        self._shape(own, needle, way, side, np.zeros(2), dark=False)
        over_layer_in(layer, own)

    def _shape(
        self,
        layer: Layer,
        needle: NDArray[np.float64],
        way: NDArray[np.float64],
        side: NDArray[np.float64],
        moved: NDArray[np.float64],
        *,
        dark: bool,
    ) -> None:
        unit, pivot = self._side, self._pivot + moved
        shade = colour((0, 0, 0), 0.4)
        steel, shine, grey, black = (
            shade if dark else colour(tone) for tone in (STEEL, SHINE, HEAD, DARK)
        )
        disc(layer, tuple(pivot), 0.052 * unit, black)
        disc(layer, tuple(pivot), 0.036 * unit, steel)
        back = pivot - way * 0.075 * unit
        line(layer, np.stack([back, pivot - way * 0.035 * unit]), black, 0.042 * unit)
        elbow = needle - way * 0.085 * unit
        line(layer, np.stack([back, elbow]), steel, 0.0135 * unit)
        if not dark:
            line(layer, np.stack([pivot, elbow]) - side * 0.003 * unit, shine, 0.003 * unit)
        bent = way + side * 0.32
        bent /= np.hypot(*bent)
        head = elbow + bent * 0.085 * unit
        line(layer, np.stack([elbow, head]), grey, 0.028 * unit)
        disc(layer, tuple(pivot), 0.014 * unit, shine)


def over_layer_in(layer: Layer, upper: Layer) -> None:
    """The part of the layer that the upper one covers is changed."""
    rows = np.flatnonzero(upper[..., 3].any(axis=1))
    columns = np.flatnonzero(upper[..., 3].any(axis=0))
    if not len(rows):
        return
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    layer[part] = over_layer(np.ascontiguousarray(layer[part]), np.ascontiguousarray(upper[part]))
