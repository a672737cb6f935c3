"""How a latent picture is cut into the tiles that the VAE works on. No torch: the plan asks too."""

from __future__ import annotations

TILE, TILE_STEP = 32, 24
"""Latents along a tile's side (256 pixels), and from one tile to the next (192 pixels)."""

Tile = tuple[slice, slice]
"""Rows and columns of a latent picture."""


def tiles_of(height: int, width: int) -> list[Tile]:
    """Overlapping tiles of a latent picture; none if it is no larger than one."""
    if height <= TILE and width <= TILE:
        return []
    return [(rows, columns) for rows in _cuts(height) for columns in _cuts(width)]


def _cuts(length: int) -> list[slice]:
    """Tiles along one side; the last one ends at the border and is as long as the others."""
    starts = [*range(0, max(length - TILE, 0), TILE_STEP), max(length - TILE, 0)]
    return [slice(start, min(start + TILE, length)) for start in starts]
