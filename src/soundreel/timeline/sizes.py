"""What size an engine draws, for the size of the file that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from soundreel.errors import InputError, mention
from soundreel.options.sizes import MAX_SIDE
from soundreel.timeline.grid import ceil_to, floor_to
from soundreel.types import ChunkGeometry, Request, Size

_MOST = 4
"""A size on the engine's grid is drawn as it is, up to so many times its best area: 2560x1440 still
is in Wan. What is larger would take hours, and the model has never seen it."""

DRAFT_SHARE = 4
"""A draft has a quarter of the pixels."""

_SHAPE_WEIGHT = 20
"""A shape that is off costs picture, which is cropped; an area that is off costs nothing seen."""


def for_engine(request: Request, geometry: ChunkGeometry) -> Request:
    """The request as the engine shall read it: width and height are those that it draws."""
    size = drawn_size(request, geometry)
    return replace(request, width=size.width, height=size.height, draft=False)


def drawn_size(request: Request, geometry: ChunkGeometry) -> Size:
    """The size that was asked for with `render_size`, or else the file's where the engine can draw
    it, or the nearest in shape and area. Raises InputError where the engine cannot draw the first.
    """
    if request.render_size is None:
        best = geometry.best_area
        if request.draft and best:
            geometry = replace(geometry, best_area=best // DRAFT_SHARE)
        return _nearest(request.output_size, geometry)
    size = Size(*request.render_size)
    if not _is_on_grid(size, geometry):
        near = _nearest(size, geometry)
        raise InputError.about(
            {"render_size": str(size)},
            f"engine {request.engine} draws multiples of {geometry.size_multiple}, at least "
            f"{geometry.least_side}",
            hint=f"try {mention(render_size=str(near))}",
        )
    return _nearest(size.halved(), geometry) if request.draft else size


def _nearest(wanted: Size, geometry: ChunkGeometry) -> Size:
    best = geometry.best_area or wanted.area
    if _is_on_grid(wanted, geometry) and wanted.area <= _MOST * best:
        return wanted
    area = max(min(wanted.area, best), geometry.least_side**2)
    return min(_candidates(wanted, area, geometry), key=lambda size: _distance(size, wanted, area))


def _is_on_grid(size: Size, geometry: ChunkGeometry) -> bool:
    on_grid = all(side % geometry.size_multiple == 0 for side in size)
    return on_grid and min(size) >= geometry.least_side


def _candidates(wanted: Size, area: int, geometry: ChunkGeometry) -> Iterator[Size]:
    """Every legal width up to the one that the area has at the least height, with the two heights
    around its shape."""
    step, least = geometry.size_multiple, ceil_to(geometry.least_side, geometry.size_multiple)
    most = floor_to(MAX_SIDE, step)
    for width in range(least, min(most, max(least, area // least)) + step, step):
        height = floor_to(width * wanted.height // wanted.width, step)
        for each in (height, height + step):
            yield Size(min(width, most), min(max(least, each), most))


def _distance(size: Size, wanted: Size, area: int) -> tuple[Fraction, int]:
    one, other = size.width * wanted.height, size.height * wanted.width
    shape = Fraction(max(one, other), min(one, other)) - 1
    extent = Fraction(max(size.area, area), min(size.area, area)) - 1
    return _SHAPE_WEIGHT * shape + extent, size.area
