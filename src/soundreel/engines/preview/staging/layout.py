"""Where things may stand in a frame of any shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["tall", "square", "wide"]

TALL, WIDE = 0.72, 1.3
"""Width by height: below the one a frame is tall, above the other wide; 4:5 and 1:1 are square."""

SAFE: dict[Shape, tuple[float, float, float, float]] = {
    "tall": (0.08, 0.12, 0.08, 0.20),
    "square": (0.08, 0.08, 0.08, 0.08),
    "wide": (0.06, 0.09, 0.06, 0.09),
}
"""Shares of width and height that stay free at the left, top, right and bottom: of a tall frame the
phone's buttons and captions take more."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Lengths in pixels of the frame; a look measures in `unit`s, its smaller side."""

    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @property
    def unit(self) -> int:
        return min(self.width, self.height)

    @property
    def shape(self) -> Shape:
        ratio = self.width / self.height
        return "tall" if ratio < TALL else "wide" if ratio > WIDE else "square"

    @property
    def safe(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        left, top, right, bottom = SAFE[self.shape]
        width, height = self.width, self.height
        return left * width, top * height, (1 - right) * width, (1 - bottom) * height

    @property
    def middle(self) -> tuple[float, float]:
        """Of what is safe."""
        left, top, right, bottom = self.safe
        return (left + right) / 2, (top + bottom) / 2
