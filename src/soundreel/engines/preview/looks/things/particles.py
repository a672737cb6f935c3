"""A ball of points that turns: where a tone sounds its points are thrown outwards, and every strike
sends sparks away. Where each is follows from the frame's number and the sound's curves alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    Layer,
    clear,
    colours,
    discs,
    glowing,
    line,
)
from soundreel.engines.preview.staging.layout import Shape
from soundreel.engines.preview.staging.stage import Light, Stage

Doubles = NDArray[np.float64]

COUNT, ALL_FROM = 850, 400
"""Points, in frames whose smaller side has so many pixels; fewer in smaller ones."""

RADIUS: dict[Shape, float] = {"tall": 0.29, "square": 0.27, "wide": 0.27}
"""Of the ball at rest, in units."""

BARS = 24
"""Parts of the spectrum, low at the ball's waist, high at both ends."""

REACH = 0.85
"""How far a full tone throws its points, in radii."""

TURN = 0.11
"""Turns in one unit of travel."""

TILT = 0.38
EYE = 3.2
"""Of the axis, in radians, towards us; distance of the eye, in radii."""

SPARKS, SPARK_S = 56, 1.5
"""Of a strike, and how long they are seen."""

DUST = 110


class Particles:
    light: ClassVar[Light] = (0.5, 0.47)
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage, self._centre = stage, np.array(layout.middle)
        self._radius = RADIUS[layout.shape] * layout.unit
        random = np.random.default_rng([stage.shot.seed, 31])
        count = max(60, round(COUNT * min(1.0, layout.unit / ALL_FROM)))
        self._ball = _ball(count)
        height = (self._ball[:, 1] + 1) / 2
        self._bar = np.clip(np.abs(self._ball[:, 1]) * BARS, 0, BARS - 1).astype(int)
        self._hue = 0.1 + 0.6 * height + random.normal(0, 0.03, count)
        self._throw = random.uniform(0.15, 1, count) ** 2
        self._size = random.uniform(0.7, 1.3, count)
        self._dust = random.uniform(0, 1, (DUST, 4))

    def draw(self, i: int) -> Layer:
        unit, drive = self._stage.layout.unit, self._stage.drive
        layer = clear(self._stage.layout.size)
        self._draw_dust(layer, i)
        self._draw_ball(layer, i)
        self._draw_sparks(layer, i)
        return glowing(layer, 0.3 + 0.75 * float(drive.glow[i]), 0.02 * unit)

    def _draw_ball(self, layer: Layer, i: int) -> None:
        drive, unit = self._stage.drive, self._stage.layout.unit
        levels, _ = self._stage.bars(i, BARS)
        level = levels[self._bar] ** 2
        swell = 1 + 0.16 * float(drive.bass[i]) + 0.07 * float(drive.pulse[i])
        away = swell + REACH * level * self._throw + 0.12 * float(drive.flash[i]) * self._throw
        points = _turned(self._ball * away[:, None], TURN * float(drive.travel[i]))
        near = EYE / (EYE - points[:, 2])
        places = self._centre + points[:, :2] * (self._radius * near)[:, None]
        depth = np.clip((points[:, 2] + 1) / 2, 0, 1)
        sizes = unit * (0.0012 + 0.0021 * depth + 0.0016 * level) * self._size
        tones = 0.55 + 0.5 * depth + 0.9 * level
        hues = self._hue + 0.12 * float(drive.travel[i])
        inks = colours(self._stage.inks.rgb(hues, tones), 0.22 + 0.78 * depth)
        order = np.argsort(points[:, 2])
        discs(layer, places[order], np.maximum(sizes[order], 0.6), [inks[k] for k in order])

    def _draw_sparks(self, layer: Layer, i: int) -> None:
        drive, unit = self._stage.drive, self._stage.layout.unit
        first = int(np.searchsorted(drive.hits, i - SPARK_S * drive.fps))
        last = int(np.searchsorted(drive.hits, i, side="right"))
        for hit, strength in zip(drive.hits[first:last], drive.strengths[first:last], strict=True):
            random = np.random.default_rng([self._stage.shot.seed, 32, int(hit)])
            angle = random.uniform(0, 2 * np.pi, SPARKS)
            speed = random.uniform(0.5, 1.9, SPARKS) * (0.6 + 0.6 * float(strength))
            age = (i - int(hit)) / drive.fps
            way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            ends = [
                self._centre + way * (self._radius * (1 + speed * _gone(when)))[:, None]
                for when in (max(0.0, age - 0.05), age + 0.02)
            ]
            fade = min(1.0, float(strength)) * np.exp(-2.6 * age) * random.uniform(0.5, 1, SPARKS)
            hues = random.uniform(0, 0.7, SPARKS)
            inks = colours(self._stage.inks.rgb(hues, np.full(SPARKS, 1.7)), fade)
            for k in np.flatnonzero(fade > 0.03):
                line(layer, np.stack([ends[0][k], ends[1][k]]), inks[k], 0.0035 * unit)

    def _draw_dust(self, layer: Layer, i: int) -> None:
        """Far points that come slowly nearer, over the whole frame."""
        drive, layout = self._stage.drive, self._stage.layout
        depth = 0.15 + 0.85 * np.mod(self._dust[:, 2] - 0.12 * float(drive.travel[i]), 1.0)
        span = np.array(layout.size)
        places = self._centre + (self._dust[:, :2] - 0.5) * span * 0.55 / depth[:, None]
        shine = np.clip((1 - depth) * 4, 0, 1) * (0.18 + 0.5 * min(float(drive.highs[i]), 1.0))
        sizes = layout.unit * 0.0011 / depth**0.8
        inside = ((places > 0) & (places < span)).all(axis=1)
        seen = inside & (shine > 0.02)
        rgb = self._stage.inks.rgb(self._dust[seen, 3], np.full(int(seen.sum()), 1.5))
        discs(layer, places[seen], np.maximum(sizes[seen], 0.6), colours(rgb, shine[seen]))


def _ball(count: int) -> Doubles:
    """(count, 3) evenly on a ball of radius 1: a spiral of golden angles."""
    y = 1 - 2 * (np.arange(count) + 0.5) / count
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(angle), y, ring * np.sin(angle)], axis=1)


def _turned(points: Doubles, turns: float) -> Doubles:
    """About the upright axis, which leans towards us."""
    cos, sin = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    x, z = points[:, 0] * cos + points[:, 2] * sin, points[:, 2] * cos - points[:, 0] * sin
    lean, rise = np.cos(TILT), np.sin(TILT)
    y = points[:, 1]
    return np.stack([x, y * lean - z * rise, y * rise + z * lean], axis=1)


def _gone(age: float) -> float:
    """How far a spark has flown, in its speed's seconds: the air slows it."""
    return float((1 - np.exp(-2.2 * age)) / 2.2)
