"""Regions of a picture, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.errors import InputError
from soundreel.media.image import load_image
from soundreel.options.faces import Box, Region

Coverage = NDArray[np.float32]
"""(height, width), how much of each pixel is inside, 0 to 1."""


def coverage(region: Region, width: int, height: int) -> Coverage:
    """Of a region in a picture of that size. Raises InputError for a mask of another size."""
    if region.mask is None:
        assert region.box is not None
        return _box(region.box, width, height)
    mask = load_image(region.mask)
    if mask.shape[:2] != (height, width):
        rows, columns = mask.shape[:2]
        raise InputError(
            f"{region.mask.name} has {columns}x{rows} pixels, and the image under it "
            f"{width}x{height}",
            hint="a mask has the size of its image, and is white where the face is",
        )
    return np.asarray(mask.mean(axis=2) / 255, np.float32)


def _box(box: Box, width: int, height: int) -> Coverage:
    left, top, right, bottom = map(float, box)
    across, down = _along(left, right, width), _along(top, bottom, height)
    return np.asarray(np.outer(down, across), np.float32)


def _along(first: float, last: float, count: int) -> NDArray[np.float64]:
    """How much of each of `count` pixels lies between two shares of their length."""
    edges = np.clip(np.arange(count + 1), first * count, last * count)
    return np.diff(edges)
