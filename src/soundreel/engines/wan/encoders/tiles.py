"""How a latent picture is cut into the tiles that the VAE works on. No torch: the plan asks too."""

from __future__ import annotations

import math
from dataclasses import dataclass

OVERLAP = 8
"""Latents that neighbouring tiles share at least (64 pixels), to be blended there."""

LEAST = 32
"""Latents along the side of the smallest tile (256 pixels)."""

Tile = tuple[slice, slice]
"""Rows and columns of a latent picture."""


@dataclass(frozen=True, slots=True)
class TileSize:
    """In latents. A picture that is no larger is one tile."""

    height: int
    width: int


SMALLEST = TileSize(LEAST, LEAST)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How the VAE works: None is on whole pictures."""

    encode: TileSize | None = None
    decode: TileSize | None = None

    @property
    def whole(self) -> bool:
        return self.encode is None and self.decode is None


WHOLE = Tiling()
FINEST = Tiling(SMALLEST, SMALLEST)


def tiles_of(height: int, width: int, size: TileSize | None) -> list[Tile]:
    """Overlapping tiles of a latent picture, spread evenly; one if it is no larger than a tile."""
    across = _cuts(width, width if size is None else size.width)
    return [
        (rows, columns)
        for rows in _cuts(height, height if size is None else size.height)
        for columns in across
    ]


def tile_sizes(height: int, width: int) -> list[TileSize]:
    """Sizes of tiles that cut a latent picture into equal parts, the least work in all first."""
    sizes = [TileSize(rows, columns) for rows in _sides(height) for columns in _sides(width)]

    def work(size: TileSize) -> tuple[int, int]:
        tiles = tiles_of(height, width, size)
        return len(tiles) * size.height * size.width, len(tiles)

    return sorted(sizes, key=work)


def _sides(length: int) -> list[int]:
    """Of 1, 2, 3 ... tiles in a row, as long as they are not too small."""
    sides = [length]
    while sides[-1] > LEAST:
        tiles = len(sides) + 1
        sides.append(max(LEAST, math.ceil((length + (tiles - 1) * OVERLAP) / tiles)))
    return sides


def _cuts(length: int, side: int) -> list[slice]:
    """Tiles of that length along one side."""
    if length <= side:
        return [slice(0, length)]
    tiles = math.ceil((length - OVERLAP) / (side - OVERLAP))
    starts = [index * (length - side) // (tiles - 1) for index in range(tiles)]
    return [slice(start, start + side) for start in starts]
