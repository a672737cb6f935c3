"""The artwork of a card: a square with round corners, its shadow, and light behind it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    fill,
    over_layer,
    stencil,
    through,
)
from soundreel.engines.preview.canvas.ops import blur, square_of, to_bytes
from soundreel.engines.preview.looks.things.artwork import tile
from soundreel.engines.preview.looks.things.places import Place
from soundreel.engines.preview.staging.stage import Stage
from soundreel.words.card import artwork_of

ROUND = 0.045
"""Of the corners, in sides."""

SWELL = 0.022
"""The bass makes it so much larger."""

STEP = 8
"""Frame pixels to one of the light's."""


class Cover:
    def __init__(self, stage: Stage, place: Place) -> None:
        self._stage, self._size = stage, stage.layout.size
        side = min(place.width, place.height) / (1 + SWELL)
        self._middle = (place.left + place.width / 2, place.top + place.height / 2)
        self._picture = _cut(stage, max(8, round(side * (1 + SWELL))))
        self._side = side
        small = (max(2, self._size[0] // STEP), max(2, self._size[1] // STEP))
        self._shade, self._light = _behind(stage, small, self._middle, side)
        noise = np.random.default_rng(9).uniform(-0.5, 0.5, (small[1], small[0], 1))
        self._dither = noise.astype(np.float32)

    def draw(self, i: int) -> Layer:
        drive = self._stage.drive
        amount = 0.16 + 0.6 * min(float(drive.glow[i]), 1.0) + 0.6 * min(float(drive.flash[i]), 1.0)
        behind = self._light * np.float32(min(amount, 1.0))
        behind[..., 3] = np.maximum(behind[..., 3], self._shade)
        bytes_ = to_bytes(np.maximum(behind + self._dither, 0))
        spread = cv2.resize(bytes_, self._size, None, 0, 0, cv2.INTER_LINEAR)
        return over_layer(np.asarray(spread, np.uint8), self._shown(i))

    def _shown(self, i: int) -> Layer:
        side = self._side * (1 + SWELL * min(float(self._stage.drive.bass[i]), 1.0))
        scale = side / len(self._picture)
        x, y = (at - side / 2 + (scale - 1) / 2 for at in self._middle)
        matrix = np.array([[scale, 0, x], [0, scale, y]])
        return np.asarray(cv2.warpAffine(self._picture, matrix, self._size), np.uint8)


def rounded(side: int, share: float) -> NDArray[np.uint8]:
    """A mask (side, side) of a square with round corners."""
    mask = stencil((side, side))
    radius, edge = share * side, side - 1.5
    quarter = np.linspace(0, np.pi / 2, 12)
    corners = ((edge - radius, edge - radius, 0), (0.5 + radius, edge - radius, 1),
               (0.5 + radius, 0.5 + radius, 2), (edge - radius, 0.5 + radius, 3))  # fmt: skip
    points = [
        np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
        for x, y, k in corners
        for turn in (quarter + k * np.pi / 2,)
    ]
    fill(mask, np.concatenate(points), OPAQUE)
    return mask


def _cut(stage: Stage, side: int) -> Layer:
    face = clear((side, side))
    picture = artwork_of(stage.plan.request)
    picture = stage.picture if picture is None else picture
    face[..., :3] = tile(stage.inks, side) if picture is None else square_of(picture, side)
    face[..., 3] = 255
    return through(rounded(side, ROUND), face)


def _behind(
    stage: Stage, small: tuple[int, int], middle: tuple[float, float], side: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of the small size: how far the shadow darkens, 0..255, and the light, premultiplied."""
    across, down = small[0] / stage.layout.width, small[1] / stage.layout.height
    x = np.abs((np.arange(small[0]) + 0.5) - middle[0] * across) / across - side / 2
    y = np.abs((np.arange(small[1]) + 0.5) - middle[1] * down) / down - side / 2
    away = np.hypot(np.maximum(x, 0)[None], np.maximum(y, 0)[:, None]) / stage.layout.unit
    shade = blur((150 * np.exp(-((away / 0.03) ** 2))).astype(np.float32), 1.0)
    fall = 0.75 * np.exp(-away / 0.05) + 0.25 * np.exp(-away / 0.16)
    turns = np.arctan2(y[:, None] + 0 * x[None], x[None] + 0 * y[:, None]) / (2 * np.pi)
    colours = stage.inks.rgb(0.2 + 0.35 * np.abs(turns), np.full_like(turns, 1.1))
    light = np.dstack([colours, colours.max(axis=2)]) * fall[..., None]
    return shade, light.astype(np.float32)
