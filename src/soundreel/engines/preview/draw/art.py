"""Artwork: album covers, logos, lettering. How it is told from a photograph, where it lies in the
frame, and what it may stand on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats, blur, resize_rgb
from soundreel.engines.preview.draw.depth import Box
from soundreel.media.oklab import to_oklab
from soundreel.media.pixels import BACKDROP
from soundreel.types import Rgb

Opacity = NDArray[np.uint8]
"""(h, w) 0 clear to 255 opaque."""

CLEAR = 0.02
"""From this share of clear pixels on, a picture is a cut-out."""

FLAT_COLOURS, FLAT = 8, 0.8
"""Where so few colours make so much of a picture, it is drawn: photographs stay below 0.66, also
grey ones with few levels (measured)."""

BORDER, CUTOUT_BORDER = 0.08, 0.14
"""Surround on every side, as a share of the frame's smaller side; a cover that leaves twice as much
on two sides anyway has none on the others."""

PALE, DEEP = 0.86, 0.16
"""Lightness (Oklab) of the grounds for dark and for light cut-outs."""

SILHOUETTE_SOFT = 0.012


def why_artwork(image: Rgb, opacity: Opacity | None) -> str:
    """The reason to take a picture for artwork, or "". A photograph is hardly ever mistaken; a
    cover made of photographs is not recognised."""
    if opacity is not None and float((opacity < 128).mean()) >= CLEAR:
        return "it is transparent in places"
    return "it has flat colours" if _flatness(image) >= FLAT else ""


def _flatness(image: Rgb) -> float:
    """Share of the pixels that the FLAT_COLOURS most frequent colours make."""
    step = max(1, round((image.shape[0] * image.shape[1] / 500_000) ** 0.5))
    few = image[::step, ::step].astype(np.uint32)
    packed = (few[..., 0] << 16) | (few[..., 1] << 8) | few[..., 2]
    counts = np.sort(np.unique(packed, return_counts=True)[1])
    return float(counts[-FLAT_COLOURS:].sum() / packed.size)


@dataclass(frozen=True, slots=False)
class Artwork:
    """colour: (h, w, 3), times its opacity. opacity: None where all is opaque. x, y: its place in
    the frame. frame: width, height."""

    colour: Rgb
    opacity: Opacity | None
    x: int
    y: int
    frame: tuple[int, int]

    @property
    def box(self) -> Box:
        return (
            float(self.x),
            float(self.y),
            float(self.colour.shape[1]),
            float(self.colour.shape[0]),
        )

    @cached_property
    def _clear(self) -> Rgb | None:
        if self.opacity is None:
            return None
        return np.ascontiguousarray(np.repeat(255 - self.opacity[..., None], 3, axis=2))

    def laid_on(self, picture: Rgb) -> Rgb:
        """`picture`, of the frame's size, with the artwork on it: changed in place."""
        rows, columns = self.colour.shape[:2]
        part = picture[self.y : self.y + rows, self.x : self.x + columns]
        if self._clear is None:
            part[:] = self.colour
        else:
            part[:] = cv2.add(cv2.multiply(part, self._clear, scale=1 / 255), self.colour)
        return picture

    def outside(self, size: tuple[int, int]) -> Floats:
        """(h, w) distance from the artwork's outline in the frame's smaller sides, at a smaller
        size of the frame; 0 on it."""
        mask = np.zeros((self.frame[1], self.frame[0]), np.uint8)
        rows, columns = self.colour.shape[:2]
        shown = 255 if self.opacity is None else self.opacity
        mask[self.y : self.y + rows, self.x : self.x + columns] = shown
        small = resize_rgb(mask, size)
        away = cv2.distanceTransform((small < 96).astype(np.uint8), cv2.DIST_L2, 5)
        soft = blur(np.asarray(away, np.float32), SILHOUETTE_SOFT * min(size))
        return soft * np.float32(1 / min(size))

    def ground_lightness(self) -> float:
        """PALE or DEEP: on which of both more of a cut-out can be told."""
        assert self.opacity is not None
        seen = self.opacity > 128
        if not seen.any():
            return DEEP
        shares = self.colour[seen] / (self.opacity[seen][:, None] / 255)
        light = to_oklab(np.clip(shares / 255, 0, 1))[:, 0]
        return max(
            (DEEP, PALE), key=lambda ground: float(np.minimum(abs(light - ground), 0.4).mean())
        )


def place_artwork(
    image: Rgb, opacity: Opacity | None, width: int, height: int, *, framed: bool
) -> Artwork:
    """The whole picture as large as it fits; `framed`: with a surround on every side.

    image: on BACKDROP where it is clear.
    """
    rows, columns = image.shape[:2]
    border = _border(columns / rows, width, height, opacity is not None) if framed else 0.0
    scale = min((width - 2 * border) / columns, (height - 2 * border) / rows)
    size = (min(width, max(1, round(columns * scale))), min(height, max(1, round(rows * scale))))
    colour = np.ascontiguousarray(resize_rgb(image, size))
    if opacity is not None:
        opacity = resize_rgb(opacity, size)
        under = (255 - opacity.astype(np.float32))[..., None] * (np.array(BACKDROP) / 255)
        colour = np.clip(np.round(colour - under), 0, opacity[..., None]).astype(np.uint8)
    return Artwork(
        colour, opacity, (width - size[0]) // 2, (height - size[1]) // 2, (width, height)
    )


def _border(shape: float, width: int, height: int, cutout: bool) -> float:
    unit = min(width, height)
    if cutout:
        return CUTOUT_BORDER * unit
    spare = max(width - height * shape, height - width / shape) / 2
    return 0.0 if spare >= 2 * BORDER * unit else BORDER * unit
