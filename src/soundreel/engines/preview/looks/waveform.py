"""The wave itself, as an oscilloscope shows it, which stands still while a tone holds: across the
frame, or down a tall one."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    glowing,
    line,
    stencil,
    through,
)
from soundreel.engines.preview.drive.scope import BEFORE_S, triggered
from soundreel.engines.preview.staging.inks import Inks
from soundreel.engines.preview.staging.layout import Layout
from soundreel.engines.preview.staging.stage import Light, Stage

SHOWN_S = 0.02
"""So much sound is seen at once, where a frame is as long."""

POINTS = 360

REACH = 0.3
"""The farthest that the wave swings, in units."""

LOUD = 0.5
"""Share of it that loud sound swings in the mean."""

WIDTH = 0.0065

GHOSTS = (2, 1)
"""Frames before this one that are still seen, faint."""


class Waveform:
    light: ClassVar[Light] = (0.5, 0.5)
    shows_picture: ClassVar[bool] = False

    def __init__(self, stage: Stage) -> None:
        layout = stage.layout
        self._stage = stage
        self._gain = LOUD * stage.strength / stage.sound.loud
        left, top, right, bottom = layout.safe
        self._down = layout.shape == "tall"
        self._along = (
            np.linspace(top, bottom, POINTS) if self._down else np.linspace(left, right, POINTS)
        )
        self._ends = np.sin(np.pi * np.linspace(0, 1, POINTS)) ** 0.5
        self._paint = _paint(layout, stage.inks, self._down)
        self._points = lru_cache(32)(self._triggered)

    def draw(self, i: int) -> Layer:
        layout = self._stage.layout
        mask = stencil(layout.size)
        width = WIDTH * layout.unit
        for back in GHOSTS:
            if i >= back:
                line(mask, self._points(i - back), (96 - 28 * back,) * 4, width * 0.7)
        glow = float(self._stage.drive.glow[i])
        line(mask, self._points(i), OPAQUE, width * (1 + 0.5 * glow))
        return glowing(through(mask, self._paint), 0.5 + 0.6 * glow, 0.018 * layout.unit)

    def _triggered(self, i: int) -> NDArray[np.float64]:
        sound, layout = self._stage.sound, self._stage.layout
        own = len(sound.wave(i))
        length = min(own, round(SHOWN_S * sound.rate))
        wave = triggered(sound.wave(i, BEFORE_S), own, length, sound.rate)
        swing = np.tanh(_in_points(wave) * self._gain) * self._ends * REACH * layout.unit
        middle = layout.middle[0 if self._down else 1]
        pair = (middle + swing, self._along) if self._down else (self._along, middle - swing)
        return np.stack(pair, axis=1)


def _in_points(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """POINTS of the wave; where it has more samples, means over them."""
    total = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64))])
    width = max(1.0, len(wave) / POINTS)
    first = np.linspace(0, len(wave) - width, POINTS)
    ends = np.interp([first, first + width], np.arange(len(total)), total)
    return np.asarray((ends[1] - ends[0]) / width)


def _paint(layout: Layout, inks: Inks, down: bool) -> Layer:
    """The hue turns along the wave."""
    count = layout.height if down else layout.width
    hue = np.linspace(0, 0.7, count)
    colours = np.round(inks.rgb(hue, np.full(count, 1.0))).astype(np.uint8)
    paint = clear(layout.size)
    paint[..., :3] = colours[:, None] if down else colours[None]
    paint[..., 3] = 255
    return paint
