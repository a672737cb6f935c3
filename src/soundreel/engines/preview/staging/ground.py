"""What lies beneath a look: its own soft light, a colour, or a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import dimmed
from soundreel.engines.preview.canvas.ops import resize, resize_rgb, to_bytes
from soundreel.engines.preview.draw.pictures import FACE_HEIGHT
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.palettes import Palette, format_colour, parse_colour
from soundreel.engines.preview.staging.layout import Layout
from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.types import Rgb

MOST_LIGHT = 0.4
"""A picture that is lighter than this in the mean (Oklab) is dimmed until it is not: what stands
before it shall be seen."""


@dataclass(frozen=True, slots=True)
class Ground:
    """picture: of the frame's size, never written to. lightness: its mean, Oklab. breath: how far
    its light follows the sound."""

    picture: Rgb
    lightness: float
    breath: float

    def light(self, drive: Drive, i: int) -> float:
        """Of the picture beneath frame i."""
        return 1 - self.breath * (1 - min(float(drive.glow[i]), 1.0))


UNSEEN = Ground(np.zeros((1, 1, 3), np.uint8), 0.0, 0.0)
"""Of an overlay: taken for dark, as films mostly are."""


def plain(layout: Layout, code: str) -> Ground:
    """A colour, "#rrggbb", as it is."""
    rgb = np.round(parse_colour(code) * 255).astype(np.uint8)
    picture = np.empty((layout.height, layout.width, 3), np.uint8)
    picture[:] = rgb
    return Ground(picture, float(to_oklab(parse_colour(code))[0]), 0.0)


def pictured(layout: Layout, image: Rgb) -> Ground:
    """The image, filling the frame; of a tall one rather the upper part, where faces are."""
    picture = _filled(image, layout)
    lightness = _lightness(picture)
    if lightness > MOST_LIGHT:
        picture = dimmed(picture, (MOST_LIGHT / lightness) ** 2.2)
    return Ground(picture, min(lightness, MOST_LIGHT), 0.0)


def lit(layout: Layout, palette: Palette, light: tuple[float, float] | None, hue: float) -> Ground:
    """The palette's deep colour, with a soft light of its keys at a place, as shares of width and
    height; darker towards the edges. No light: plain paper."""
    small = (max(2, layout.width // 4), max(2, layout.height // 4))
    if light is None:
        return plain(layout, _paper(palette))
    deep = to_oklab(parse_colour(palette.deep))
    deep[0] = min(deep[0], 0.16)
    lab = np.broadcast_to(deep, (small[1], small[0], 3)).copy()
    keys = [to_oklab(parse_colour(key)) for key in palette.keys]
    first = round(hue * len(keys))
    for turn, (dx, dy) in enumerate(((-0.22, 0.06), (0.24, -0.08))):
        key = keys[(first + turn) % len(keys)]
        target = np.array([0.36, *(key[1:] * 0.6)])
        near = _spot(small, (light[0] + dx, light[1] + dy))[..., None] * 0.7
        lab += (target - lab) * near
    colours = np.clip(from_oklab(lab), 0, 1).astype(np.float32) * 255
    noise = np.random.default_rng(8).uniform(-0.5, 0.5, (layout.height, layout.width, 1))
    picture = to_bytes(
        np.maximum(resize(colours, layout.size, smooth=True) + noise.astype(np.float32), 0)
    )
    return Ground(picture, _lightness(picture), 0.3)


def _paper(palette: Palette) -> str:
    lab = to_oklab(parse_colour(palette.light))
    lab[0] = max(lab[0], 0.96)
    lab[1:] *= 0.5
    return format_colour(from_oklab(lab))


def _spot(size: tuple[int, int], at: tuple[float, float]) -> NDArray[np.float64]:
    x = (np.arange(size[0]) + 0.5) / size[0] - at[0]
    y = (np.arange(size[1]) + 0.5) / size[1] - at[1]
    x *= size[0] / min(size)
    y *= size[1] / min(size)
    return np.asarray(np.exp(-((x * x)[None] + (y * y)[:, None]) / 0.28))


def _filled(image: Rgb, layout: Layout) -> Rgb:
    rows, columns = image.shape[:2]
    scale = max(layout.width / columns, layout.height / rows)
    width, height = (
        min(columns, round(layout.width / scale)),
        min(rows, round(layout.height / scale)),
    )
    x, y = (columns - width) // 2, round((rows - height) * FACE_HEIGHT)
    part = np.ascontiguousarray(image[y : y + height, x : x + width])
    return np.ascontiguousarray(resize_rgb(part, layout.size))


def _lightness(picture: Rgb) -> float:
    return float(to_oklab(resize_rgb(picture, (48, 48)).reshape(-1, 3) / 255.0)[:, 0].mean())
