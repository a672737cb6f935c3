"""Spectrum bars round a disc: low at its bottom, high at its top, both sides alike. The disc shows
the picture, if there is one. In a wide frame small bars go on to both sides."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    disc,
    fills,
    glowing,
    line,
    stamp,
    stencil,
    through,
)
from soundreel.engines.preview.canvas.ops import square_of
from soundreel.engines.preview.staging.inks import Inks
from soundreel.engines.preview.staging.layout import Layout, Shape
from soundreel.engines.preview.staging.polar import Doubles, on_circle, places, spokes
from soundreel.engines.preview.staging.stage import Light, Stage

HALF = 48
"""Bars on each side."""

RADIUS: dict[Shape, float] = {"tall": 0.225, "square": 0.215, "wide": 0.205}
LENGTH: dict[Shape, float] = {"tall": 0.17, "square": 0.19, "wide": 0.195}
"""Of the disc and of a full bar, in units."""

GAP, LEAST, PEAK = 0.014, 0.007, 0.008

WINGS, WING = 24, 0.075
"""Bars on each side of a wide frame, and half their length, in units."""

SWELL = 0.07
"""The bass makes the disc so much larger."""


class RingBars:
    light: ClassVar[Light] = (0.5, 0.47)
    shows_picture: ClassVar[bool] = True

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage, self._centre = stage, layout.middle
        self._radius = RADIUS[layout.shape] * layout.unit
        self._length = LENGTH[layout.shape] * layout.unit
        place = (np.arange(HALF) + 0.5) / (2 * HALF)
        self._turns = np.concatenate([place, 1 - place[::-1]])
        self._paint = _paint(layout, stage.inks, self._centre, self._radius + self._length)
        self._disc = _disc(stage, round(2 * self._radius))

    def draw(self, i: int) -> Layer:
        layout, drive = self._stage.layout, self._stage.drive
        levels, peaks = (np.concatenate([half, half[::-1]]) for half in self._stage.bars(i, HALF))
        radius = self._radius * (1 + SWELL * min(float(drive.bass[i]), 1.0))
        inner = radius + GAP * layout.unit
        width = 2 * np.pi * inner / (2 * HALF) * 0.58
        mask = stencil(layout.size)
        tops = inner + LEAST * layout.unit + levels * self._length
        fills(mask, spokes(self._centre, self._turns, inner, tops, width), OPAQUE)
        high = np.maximum(inner + peaks * self._length, tops) + PEAK * layout.unit
        marks = spokes(self._centre, self._turns, high, high + PEAK * layout.unit, width)
        fills(mask, marks, (150,) * 4)
        if layout.shape == "wide":
            fills(mask, self._wings(i), (190,) * 4)
        glow = float(drive.glow[i])
        lit = glowing(through(mask, self._paint), 0.35 + 0.4 * glow, 0.018 * layout.unit)
        self._put_disc(lit, radius)
        return lit

    def _wings(self, i: int) -> Doubles:
        """(2 WINGS, 4, 2): from the ring outwards, low to high, ever smaller."""
        layout = self._stage.layout
        first = self._radius + self._length + 5 * GAP * layout.unit
        x = np.linspace(first, layout.width / 2 - layout.safe[0], WINGS)
        levels, _ = self._stage.bars(i, WINGS)
        half = (0.004 + WING * levels * np.linspace(1, 0.3, WINGS)) * layout.unit
        wide = (x[1] - x[0]) * 0.2
        right = np.stack([[x - wide, x + wide, x + wide, x - wide], [-half, -half, half, half]])
        both = np.concatenate([right, right * np.array([-1, 1])[:, None, None]], axis=2)
        return np.asarray(both.transpose(2, 1, 0) + np.array(self._centre))

    def _put_disc(self, layer: Layer, radius: float) -> None:
        side = 2 * int(self._radius * (1 + SWELL) + 2)
        corner = (round(self._centre[0]) - side // 2, round(self._centre[1]) - side // 2)
        scale = 2 * radius / len(self._disc)
        left, top = (at - radius - edge for at, edge in zip(self._centre, corner, strict=True))
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        shown = cv2.warpAffine(self._disc, matrix, (side, side), flags=cv2.INTER_LINEAR)
        stamp(layer, np.asarray(shown, np.uint8), corner)


def _paint(layout: Layout, inks: Inks, centre: tuple[float, float], far: float) -> Layer:
    """Hues from low to high up both sides, lighter outwards."""
    radius, turns = places(layout, centre)
    hue = 0.66 * (1 - np.abs(2 * turns - 1))
    tone = 0.75 + 0.7 * np.clip(radius / far, 0, 1.1) ** 4
    paint = clear(layout.size)
    paint[..., :3] = np.round(inks.rgb(hue, tone))
    paint[..., 3] = 255
    return paint


def _disc(stage: Stage, side: int) -> Layer:
    """The picture cut round, or a dark disc with an inner light; with a rim."""
    side = max(side, 8)
    mask = stencil((side, side))
    middle = ((side - 1) / 2, (side - 1) / 2)
    disc(mask, middle, side / 2 - 1, OPAQUE)
    shown = clear((side, side))
    shown[..., :3] = _orb(stage, side) if stage.picture is None else square_of(stage.picture, side)
    shown[..., 3] = 255
    shown = through(mask, shown)
    rim = on_circle(middle, side / 2 - 2.0 - 0.004 * stage.layout.unit, np.linspace(0, 1, 128))
    line(shown, rim, stage.inks.at(0.33, 1.6), 0.008 * stage.layout.unit, closed=True)
    return shown


def _orb(stage: Stage, side: int) -> NDArray[np.float32]:
    place = (np.arange(side) + 0.5) / side * 2 - 1
    away = np.hypot(place[None] + 0.15, place[:, None] + 0.25)
    tone = 0.12 + 0.38 * np.exp(-((away / 0.75) ** 2))
    hue = 0.3 + 0.16 * (place[:, None] + place[None])
    return stage.inks.rgb(hue, tone)
