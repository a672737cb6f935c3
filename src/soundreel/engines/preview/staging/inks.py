"""The colours that a look draws with, from its palette, such that they are seen on its ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import Colour, colour
from soundreel.engines.preview.look.palettes import (
    CYCLES,
    FULL_TONE,
    HUES,
    TONES,
    Palette,
    colour_table,
    format_colour,
    parse_colour,
)
from soundreel.media.oklab import from_oklab, to_oklab

PALE_GROUND = 0.62
"""Lightness (Oklab) from which on a ground is drawn upon in dark colours."""

DARKEST, LIGHTEST = 0.30, 0.48
"""Of keys on a pale ground."""

BRIGHT, VIVID = 0.62, 0.76
"""Of keys on a dark one: ink is light there, and lines are thin."""

PASTEL, FAINT = 0.74, 0.84
"""Of keys before a picture, which has all colours but few as light."""


@dataclass(frozen=True, slots=True)
class Inks:
    """table: one cycle of `colour_table`. pale: whether the ground is."""

    table: NDArray[np.float32]
    pale: bool

    def at(self, hue: float, tone: float = 0.85, opacity: float = 1.0) -> Colour:
        """hue: in cycles of the palette's keys, the first at 0; tone: 0 is the ground's, 0.85 the
        key itself, 2 and more the light."""
        return colour(self.rgb(hue, tone).tolist(), opacity)

    def rgb(
        self, hue: NDArray[np.floating] | float, tone: NDArray[np.floating] | float
    ) -> NDArray[np.float32]:
        """(..., 3) 0..255 of hues and tones of one shape."""
        row = np.mod(np.round(np.asarray(hue) * HUES), HUES).astype(int)
        column = np.clip(np.asarray(tone) * ((TONES - 1) / FULL_TONE), 0, TONES - 1)
        return np.asarray(self.table[row, np.round(column).astype(int)])

    def all(self, hues: NDArray[np.floating], tones: NDArray[np.floating]) -> list[Colour]:
        """Opaque ones, for n hues and tones."""
        return [colour(rgb) for rgb in self.rgb(hues, tones).tolist()]


def make_inks(palette: Palette, lightness: float, *, busy: bool = False) -> Inks:
    """lightness (Oklab, 0..1) of the ground on which they are to be seen; busy: a picture."""
    pale = lightness >= PALE_GROUND
    dark = (PASTEL, FAINT) if busy else (BRIGHT, VIVID)
    bounds = (DARKEST, LIGHTEST) if pale else dark
    keys = tuple(_within(key, bounds) for key in palette.keys)
    light = _within(palette.light, (0.0, 0.22)) if pale else palette.light
    deep = _within(palette.deep, (0.8, 1.0)) if pale else palette.deep
    table = colour_table(Palette(deep, keys, light))
    return Inks(table[: len(table) // CYCLES], pale)


def _within(code: str, bounds: tuple[float, float]) -> str:
    lab = to_oklab(parse_colour(code))
    lab[0] = np.clip(lab[0], *bounds)
    return format_colour(from_oklab(lab))
