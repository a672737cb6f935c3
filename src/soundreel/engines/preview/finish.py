"""From a small float picture to the full-size frame: bloom, size, dither."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb

FloatRgb = NDArray[np.float32]
"""(h, w, 3) float32, sRGB 0..255."""


def add_bloom(picture: FloatRgb, amount: float, threshold: float = 110.0) -> FloatRgb:
    """Light bleeds from what is brighter than `threshold`: a near glow and a wide one."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        picture, (max(2, width // 2), max(2, height // 2)), None, 0, 0, cv2.INTER_AREA
    )
    bright = np.maximum(small - threshold, 0)
    tiny = cv2.resize(bright, (max(2, width // 8), max(2, height // 8)), None, 0, 0, cv2.INTER_AREA)
    unit = min(height, width)
    near = cv2.GaussianBlur(bright, (0, 0), max(0.6, unit * 0.006))
    wide = cv2.GaussianBlur(tiny, (0, 0), max(0.6, unit * 0.01))
    glow = cv2.addWeighted(
        near, amount, cv2.resize(wide, near.shape[1::-1], None, 0, 0, cv2.INTER_CUBIC), amount, 0
    )
    return cv2.add(picture, cv2.resize(glow, (width, height), None, 0, 0, cv2.INTER_LINEAR))


class Finisher:
    """Scales to the frame and rounds with a still pattern of half a level, so that smooth
    gradients do not band and the encoder is not fed noise."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        rng = np.random.default_rng(9)
        noise = rng.uniform(-0.5, 0.5, (height, width, 1)).astype(np.float32)
        self._dither = np.ascontiguousarray(np.repeat(noise, 3, axis=2))

    def finish(self, picture: FloatRgb) -> Rgb:
        """The frame; values above white bend towards it instead of clipping."""
        soft = _shoulder(picture)
        full = cv2.resize(soft, self._size, None, 0, 0, cv2.INTER_CUBIC)
        full += self._dither
        return cv2.convertScaleAbs(np.maximum(full, 0, out=full))


def _shoulder(picture: FloatRgb, knee: float = 200.0) -> FloatRgb:
    """Straight to `knee`, then approaching 253."""
    over = np.maximum(picture - knee, 0)
    room = np.float32(253.0 - knee)
    return np.minimum(picture, knee) + room * over / (over + room)
