"""Palettes: a deep ground, a cycle of key colours, a light. Mixed in Oklab, where steps look even.

Oklab: Bjorn Ottosson, "A perceptual color space for image processing" (2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats, held
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.media.oklab import from_oklab, to_oklab

TONES, HUES = 256, 64
"""Size of the colour table: tone runs along a row, the cycle of keys down the column."""

CYCLES = 3
"""The table holds the cycle so often: a place in the middle one may stray a whole cycle."""

FULL_TONE = 3.2
"""The tone that the last column stands for: light rises ever slower, only the last is white."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as "#rrggbb": `keys` are met in turn, `deep` in the dark, `light` in highlights."""

    deep: str
    keys: tuple[str, ...]
    light: str


PALETTES: Mapping[str, Palette] = {
    "warm": Palette("#12060a", ("#b8372c", "#e0812f", "#8c2a58"), "#ffe9c2"),
    "cool": Palette("#040a16", ("#2562b8", "#2fa7b5", "#5a55c9"), "#e2f4ff"),
    "neon": Palette("#07030f", ("#ff2d9b", "#22d3ee", "#7c3aed"), "#fdf4ff"),
    "pastel": Palette("#766f94", ("#e8a9c0", "#a9c9ea", "#c9b7ec"), "#fffaf3"),
    "fire": Palette("#0d0302", ("#c81d0c", "#ff7a0f", "#8a0f18"), "#fff0b8"),
    "ocean": Palette("#01080f", ("#0b5d8a", "#12a3a0", "#1c3f93"), "#d8fff5"),
    "forest": Palette("#040a05", ("#2c6e3a", "#8a9a35", "#1b5b55"), "#f3f8cf"),
    "night": Palette("#02030a", ("#26337f", "#4b3a91", "#17456e"), "#cfdcff"),
    "mono": Palette("#060607", ("#77797d", "#8a8c90", "#65676b"), "#ffffff"),
    "gold": Palette("#0a0603", ("#b57d1f", "#d9a441", "#7a4a17"), "#fff3cf"),
    "sunset": Palette("#10061a", ("#e2574c", "#f2a03d", "#6a3fa0"), "#fff0d6"),
    "aurora": Palette("#020a10", ("#1fb58a", "#2a6fc4", "#7d4bd0"), "#e5fff0"),
    "ice": Palette("#06101a", ("#6fb6d9", "#a7d3e8", "#4f86c6"), "#ffffff"),
    "rose": Palette("#0f050b", ("#c2426f", "#e38aa0", "#7c2f73"), "#ffeef0"),
    "earth": Palette("#0a0705", ("#8a5a33", "#a98b57", "#5f6a43"), "#f8ecd4"),
    "candy": Palette("#170a20", ("#ff6fa8", "#5ac8fa", "#ffd166"), "#fffbf2"),
}

COLOURS: Mapping[str, str] = {
    "red": "#d4252a",
    "crimson": "#b0122f",
    "scarlet": "#e8321c",
    "orange": "#f07a1a",
    "amber": "#f5a81c",
    "yellow": "#f2cf2e",
    "lime": "#9bd62a",
    "green": "#2fa84a",
    "emerald": "#12a070",
    "teal": "#149a94",
    "turquoise": "#2cc4bd",
    "cyan": "#24c3e0",
    "azure": "#2d8fe6",
    "blue": "#2458d6",
    "navy": "#1b2f7d",
    "indigo": "#4338b8",
    "violet": "#7a3fd6",
    "purple": "#8b2fb0",
    "magenta": "#d6249f",
    "pink": "#ee6aa7",
    "brown": "#7d4a26",
    "silver": "#a9b2bd",
    "white": "#e8e8ea",
}


def parse_colour(text: str) -> NDArray[np.float64]:
    """sRGB 0..1 of "#rrggbb"."""
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def format_colour(rgb: Sequence[float] | NDArray[np.floating]) -> str:
    return "#" + "".join(f"{round(float(np.clip(c, 0, 1)) * 255):02x}" for c in rgb)


def from_keys(keys: Sequence[str]) -> Palette:
    """A palette around given colours: its ground is their dark mean, its light their pale one."""
    labs = np.stack([to_oklab(parse_colour(key)) for key in keys])
    mean = labs.mean(axis=0)
    ground = format_colour(from_oklab(np.array([0.12, *(mean[1:] * 0.25)])))
    pale = format_colour(from_oklab(np.array([0.97, *(mean[1:] * 0.2)])))
    if len(keys) == 1:
        keys = (keys[0], *_relatives(labs[0]))
    return Palette(ground, tuple(keys), pale)


def colour_table(palette: Palette) -> NDArray[np.float32]:
    """(CYCLES * HUES, TONES, 3) float32, sRGB 0..255: rows cycle through the keys, columns rise
    from the ground through the key to the light (column = tone / FULL_TONE)."""
    keys = np.stack([to_oklab(parse_colour(key)) for key in palette.keys])
    ring = _cycle(keys)[:, None, :]
    deep, light = (to_oklab(parse_colour(c))[None, None] for c in (palette.deep, palette.light))
    tone = _curve(np.linspace(0, FULL_TONE, TONES))[None, :, None]
    lab = np.where(
        tone < 0.62,
        deep + (ring - deep) * (tone / 0.62),
        ring + (light - ring) * (np.maximum(tone - 0.62, 0) / 0.38) ** 1.35,
    )
    once = (np.clip(from_oklab(lab), 0, 1) * 255).astype(np.float32)
    return np.concatenate([once] * CYCLES)


def coloured(table: NDArray[np.float32], tone: Floats, hue: Floats | float) -> Floats:
    """(h, w, 3) colours of `tone` (0 and more); hue in cycles, -1 to 2."""
    rows = np.full_like(tone, hue * HUES) if isinstance(hue, float) else hue * HUES
    columns = tone * ((TONES - 1) / FULL_TONE)
    return held(table, columns, rows + HUES)


def _curve(tone: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ever slower from 0 to 1 at FULL_TONE; about 0.62, the key itself, at tone 0.85."""
    return np.asarray((1 - np.exp(-1.1 * tone)) / (1 - np.exp(-1.1 * FULL_TONE)))


def _cycle(keys: NDArray[np.float64]) -> NDArray[np.float64]:
    """(HUES, 3): round the keys and back to the first, without a corner."""
    position = np.arange(HUES) * len(keys) / HUES
    index = position.astype(int)
    mix = smoothstep((position - index)[:, None])
    return np.asarray(keys[index] * (1 - mix) + keys[(index + 1) % len(keys)] * mix)


def _relatives(lab: NDArray[np.float64]) -> tuple[str, str]:
    """Neighbours of one colour, 25 degrees to either side, one darker and one lighter."""
    out = []
    for degrees, lift in ((-25, -0.12), (25, 0.08)):
        turn = np.deg2rad(degrees)
        a = lab[1] * np.cos(turn) - lab[2] * np.sin(turn)
        b = lab[1] * np.sin(turn) + lab[2] * np.cos(turn)
        out.append(format_colour(from_oklab(np.array([np.clip(lab[0] + lift, 0.2, 0.9), a, b]))))
    return out[0], out[1]
