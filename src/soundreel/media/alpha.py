"""Pictures with alpha between our way of keeping them and a file's.

On their way colours are multiplied by their opacity ("premultiplied"), so that what scales and
mixes pictures mixes light. In a file they are not ("straight"), as editing programs read ProRes
4444 and VP9 unless told otherwise.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb

_Floats = NDArray[np.float32]

FAINT = 8
"""An opacity, of 255, below which eight bits no longer say a colour: it is its neighbours'."""

_STEP = 4


def straight(picture: Rgb) -> Rgb:
    """Premultiplied to straight, (h, w, 4) both. Where nothing or next to nothing is seen stand
    the colours of what is nearest: an encoder mixes neighbours, and would mix edges with black."""
    colour, opacity = picture[..., :3], picture[..., 3]
    freed = cv2.divide(colour, cv2.merge([opacity] * 3), scale=255)
    around = cv2.resize(_spread(picture), opacity.shape[::-1], interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(around, (opacity < FAINT).astype(np.uint8), freed)
    return cast(Rgb, np.dstack([freed, opacity]))


def on_black(picture: Rgb) -> Rgb:
    """A straight picture (h, w, 4) as it is seen over black, (h, w, 3)."""
    opacity = cv2.merge([picture[..., 3]] * 3)
    return cast(Rgb, cv2.multiply(np.ascontiguousarray(picture[..., :3]), opacity, scale=1 / 255))


def _spread(picture: Rgb) -> Rgb:
    """The colours, smaller by _STEP, grown over what is clear: every cell without any takes those
    of a coarser grid."""
    height, width = picture.shape[:2]
    size = (max(1, width // _STEP), max(1, height // _STEP))
    grids = [_smaller(picture, size)]
    while max(size) > 1:
        size = (max(1, size[0] // 2), max(1, size[1] // 2))
        grids.append(_smaller(grids[-1], size))
    colour: _Floats = np.zeros((*grids[-1].shape[:2], 3), np.float32)
    for grid in reversed(grids):
        wider = cv2.resize(colour, grid.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        colour = _own_or(grid, np.asarray(wider, np.float32))
    return np.asarray(colour.round(), np.uint8)


def _smaller(picture: NDArray[Any], size: tuple[int, int]) -> _Floats:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _own_or(grid: _Floats, other: _Floats) -> _Floats:
    """The straight colours of a premultiplied grid, 0..255; the others where it has none."""
    opacity = grid[..., 3:]
    own = grid[..., :3] * (255 / np.maximum(opacity, 1e-3))
    return np.where(opacity > 1, np.minimum(own, 255), other).astype(np.float32)
