"""A record that turns at 33 1/3 a minute, with the picture on its label: the sound lights its
grooves and its rim, and the needle comes from the outer groove to the last one."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    colour,
    disc,
    line,
    over_layer,
    stencil,
    through,
)
from soundreel.engines.preview.canvas.ops import blur, square_of, to_bytes
from soundreel.engines.preview.looks.things.tonearm import Tonearm
from soundreel.engines.preview.staging.inks import Inks
from soundreel.engines.preview.staging.layout import Layout, Shape
from soundreel.engines.preview.staging.stage import Light, Stage

Floats = NDArray[np.float32]

TURNS_A_SECOND = Fraction(100, 3) / 60

DIAMETER: dict[Shape, float] = {"tall": 0.88, "square": 0.76, "wide": 0.80}
"""Of the record, in units."""

ASIDE: dict[Shape, float] = {"tall": 0.0, "square": -0.03, "wide": -0.06}
"""How far its middle is from that of the frame, in units: the arm stands at the right."""

LABEL = 0.40
"""Of the record's diameter."""

FIRST_GROOVE, LAST_GROOVE = 0.475, 0.235
"""Radii of the needle's way, in diameters."""

GAPS = (0.268, 0.325, 0.372, 0.431)
"""Radii of the smooth rings between titles, in diameters."""

RIM_BARS = 48
RIM_STEP = 8
"""Parts of the light round the rim; frame pixels to one of it."""


class Vinyl:
    light: ClassVar[Light] = (0.5, 0.5)
    shows_picture: ClassVar[bool] = True

    def __init__(self, stage: Stage) -> None:
        layout, shape = stage.layout, stage.layout.shape
        self._stage, self._fps = stage, stage.plan.fps
        across, down = layout.middle
        self._centre = (across + ASIDE[shape] * layout.unit, down)
        self._side = max(16, 2 * round(DIAMETER[shape] * layout.unit / 2))
        self._record, self._sheen, self._rings = _pressed(self._side)
        self._label = _label(stage, max(6, round(LABEL * self._side)))
        self._rim = _Rim(layout, self._centre, self._side / 2, stage)
        self._arm = Tonearm(self._centre, self._side, shape)

    def draw(self, i: int) -> Layer:
        drive = self._stage.drive
        layer = self._rim.light(i)
        _laid(layer, self._lit(i), self._centre)
        _laid(layer, self._turned_label(i), self._centre)
        disc(layer, self._centre, 0.008 * self._side, colour((12, 12, 14)))
        reach = FIRST_GROOVE + (LAST_GROOVE - FIRST_GROOVE) * float(drive.progress[i])
        self._arm.draw(layer, reach * self._side)
        return layer

    def _lit(self, i: int) -> Layer:
        """The record with light on the grooves that sound: low tones at the rim, high ones inside;
        a strike lights all of them."""
        drive = self._stage.drive
        levels, _ = self._stage.bars(i, 24)
        whole = 0.30 + 0.5 * min(float(drive.glow[i]), 1.0) + 0.7 * min(float(drive.flash[i]), 1.0)
        along = np.interp(np.linspace(0, 23, 256), np.arange(24), levels[::-1])
        amounts = np.clip(255 * (0.4 * whole + 0.6 * whole * along), 0, 255).astype(np.uint8)
        shine = cv2.multiply(self._sheen, cv2.LUT(self._rings, amounts), scale=1 / 255)
        tint = self._stage.inks.rgb(0.3 * float(drive.travel[i]) % 1, 1.9) / 255
        lit = self._record.copy()
        for channel in range(3):
            added = cv2.convertScaleAbs(shine, alpha=0.45 + 0.55 * float(tint[channel]))
            lit[..., channel] = cv2.add(lit[..., channel], added)
        return np.minimum(lit, lit[..., 3:], out=lit)

    def _turned_label(self, i: int) -> Layer:
        side = len(self._label)
        middle = ((side - 1) / 2, (side - 1) / 2)
        matrix = cv2.getRotationMatrix2D(middle, -360 * float(turns_at(i, self._fps)), 1)
        return np.asarray(cv2.warpAffine(self._label, matrix, (side, side)), np.uint8)


def turns_at(i: int, fps: Fraction) -> Fraction:
    """How far the record has turned at frame i, in whole turns, clockwise."""
    return TURNS_A_SECOND * i / fps % 1


class _Rim:
    """Light round the record, by the spectrum: low at its foot, high at its top."""

    def __init__(
        self, layout: Layout, centre: tuple[float, float], radius: float, stage: Stage
    ) -> None:
        self._stage, self._size = stage, layout.size
        small = (max(2, layout.width // RIM_STEP), max(2, layout.height // RIM_STEP))
        x = (np.arange(small[0]) + 0.5) * layout.width / small[0] - centre[0]
        y = (np.arange(small[1]) + 0.5) * layout.height / small[1] - centre[1]
        away = np.hypot(x[None], y[:, None]) - radius
        turns = np.abs(np.arctan2(x[None], y[:, None])) / np.pi
        self._bar = np.clip(turns * RIM_BARS, 0, RIM_BARS - 1).astype(int)
        self._fall = np.exp(-np.maximum(away, 0) / (0.05 * layout.unit))
        self._far = np.exp(-np.maximum(away, 0) / (0.16 * layout.unit)) * 0.45
        colours = stage.inks.rgb(0.66 * turns, np.full_like(turns, 1.25))
        self._colours = np.dstack([colours, colours.max(axis=2)]).astype(np.float32)
        self._soft = max(1.0, 0.018 * layout.unit / RIM_STEP)
        noise = np.random.default_rng(9).uniform(-0.5, 0.5, (small[1], small[0], 1))
        self._dither = noise.astype(np.float32)

    def light(self, i: int) -> Layer:
        """A layer of it."""
        drive = self._stage.drive
        levels, _ = self._stage.bars(i, RIM_BARS)
        own = blur(levels[self._bar].astype(np.float32), self._soft)
        amount = own * np.float32(0.2 + 0.8 * min(float(drive.glow[i]), 1.0)) * self._fall
        amount += (0.10 + 0.5 * min(float(drive.flash[i]), 1.0) + 0.3 * own) * self._far
        small = np.maximum(self._colours * np.minimum(amount, 1)[..., None] + self._dither, 0)
        return np.asarray(
            cv2.resize(to_bytes(small.astype(np.float32)), self._size, None, 0, 0, cv2.INTER_LINEAR)
        )


def _pressed(side: int) -> tuple[Layer, NDArray[np.uint8], NDArray[np.uint8]]:
    """The record at rest, (side, side): what is seen of it in no light; how it shines, 0..255, in
    light from one side; and how far outwards each pixel lies, 0 the label's edge to 255 the rim."""
    place = np.arange(side) + 0.5 - side / 2
    radius = np.hypot(place[None], place[:, None]) / side
    random = np.random.default_rng(33)
    fine = blur(random.normal(0, 1, (1, side)).astype(np.float32), 0.8)[0]
    fine = np.interp(radius.ravel(), np.linspace(0, 0.75, side), fine).reshape(radius.shape)
    grooved = ((radius > LAST_GROOVE - 0.012) & (radius < FIRST_GROOVE + 0.004)).astype(float)
    for gap in GAPS:
        grooved *= 1 - np.exp(-(((radius - gap) / 0.0024) ** 4))
    dark = 13 + grooved * (4 + 5 * fine)
    body = stencil((side, side))
    disc(body, ((side - 1) / 2, (side - 1) / 2), side / 2 - 1, OPAQUE)
    record = np.dstack([dark, dark, dark * 1.12, np.full_like(dark, 255)])
    angle = np.arctan2(place[:, None], place[None])
    lobes = np.abs(np.cos(angle + 0.85)) ** 22 + 0.4 * np.abs(np.cos(angle - 0.35)) ** 40
    sheen = lobes * (0.12 + grooved * np.clip(0.62 + 0.34 * fine, 0.1, 1.3))
    edge = np.exp(-(((radius - 0.487) / 0.005) ** 2))
    sheen = (150 * sheen + 60 * edge * (0.35 + lobes)) * (radius < 0.494)
    rings = np.clip((radius - LAST_GROOVE) / (FIRST_GROOVE - LAST_GROOVE), 0, 1) * 255
    return through(body, _bytes(record)), _bytes(sheen), _bytes(rings)


def _label(stage: Stage, side: int) -> Layer:
    """The picture cut round, or paper of two colours."""
    mask = stencil((side, side))
    middle = ((side - 1) / 2, (side - 1) / 2)
    disc(mask, middle, side / 2 - 1, OPAQUE)
    face = clear((side, side))
    picture = stage.picture
    face[..., :3] = _paper(stage.inks, side) if picture is None else square_of(picture, side)
    face[..., 3] = 255
    face = through(mask, face)
    circle = np.linspace(0, 2 * np.pi, 97)[:-1]
    for share in (0.985, 0.11):
        ring = np.stack([np.cos(circle), np.sin(circle)], axis=1) * (share * side / 2)
        line(face, ring + middle, colour((14, 14, 16)), max(1.0, 0.012 * side), closed=True)
    return face


def _paper(inks: Inks, side: int) -> NDArray[np.uint8]:
    """A label of two colours, with lines where a title would stand."""
    place = (np.arange(side) + 0.5) / side * 2 - 1
    away = np.hypot(place[None], place[:, None])
    ring = np.clip((away - 0.62) * side / 6 + 0.5, 0, 1)
    rgb = _bytes(inks.rgb(0.1 + 0.4 * ring, 0.95 - 0.25 * ring))
    for row, reach in ((-0.36, 0.34), (0.30, 0.40), (0.42, 0.26)):
        ends = np.array([[-reach, row], [reach, row]]) * side / 2 + side / 2
        line(rgb, ends, colour(inks.rgb(0.5, 1.8).tolist()), 0.022 * side)
    return rgb


def _laid(layer: Layer, part: Layer, centre: tuple[float, float]) -> None:
    """A smaller layer before another, with its middle at a place; changes it."""
    side = len(part)
    left, top = (round(at - side / 2) for at in centre)
    x, y = max(0, -left), max(0, -top)
    place = layer[max(0, top) : top + side, max(0, left) : left + side]
    place[:] = over_layer(
        np.ascontiguousarray(place),
        np.ascontiguousarray(part[y : y + place.shape[0], x : x + place.shape[1]]),
    )


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
