"""The working picture's coordinates, the same look at every size and shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundreel.engines.preview.canvas.ops import Floats

SHARE = 0.22
"""Pixels of the working picture to those of the frame."""

LEAST_PIXELS, MOST_PIXELS = 120_000, 700_000
"""Bounds of the working picture, where the frame itself is not smaller."""


@dataclass(frozen=True, slots=True)
class Grid:
    """x, y: (h, w) in units of the smaller side, (0, 0) at the focus; y grows downwards."""

    x: Floats
    y: Floats
    radius_squared: Floats
    radius: Floats

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.x.shape[1], self.x.shape[0]

    @property
    def unit(self) -> int:
        """Pixels in the smaller side."""
        return int(min(self.x.shape))

    @property
    def far(self) -> float:
        """Distance of the farthest corner from the focus."""
        return float(self.radius.max())


def make_grid(size: tuple[int, int], centre: tuple[float, float]) -> Grid:
    """centre: the focus, as shares of width and height."""
    width, height = size
    unit = min(size)
    x = ((np.arange(width) + 0.5 - width * centre[0]) / unit).astype(np.float32)
    y = ((np.arange(height) + 0.5 - height * centre[1]) / unit).astype(np.float32)
    across, down = (np.ascontiguousarray(plane) for plane in np.meshgrid(x, y))
    squared = across * across + down * down
    return Grid(across, down, squared, np.sqrt(squared))


def working_size(width: int, height: int, share: float = SHARE) -> tuple[int, int]:
    """(width, height): `share` of the frame's pixels, within the bounds above."""
    area = width * height
    target = min(max(area * share, min(area, LEAST_PIXELS)), MOST_PIXELS)
    scale = (target / area) ** 0.5
    return max(2, round(width * scale)), max(2, round(height * scale))
