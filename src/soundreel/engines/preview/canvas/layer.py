"""Pictures with opacity, and how one comes over another.

A layer is (h, w, 4) bytes: colour times its opacity ("premultiplied"), then the opacity. Nothing is
0, 0, 0, 0; light that hides nothing but adds is as opaque as its brightest channel.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats, blur
from soundreel.types import Rgb

if TYPE_CHECKING:
    from cv2.typing import MatLike

Layer = NDArray[np.uint8]

Colour = tuple[int, int, int, int]
"""Of a layer's pixel: red, green, blue, opacity, 0..255, premultiplied."""

OPAQUE: Colour = (255, 255, 255, 255)

FINE = 4
"""Bits of a pixel's parts that a shape's corners are drawn to."""

BROAD = 8
"""Pixels from which on a line's width may be rounded."""

GLOW_STEP = 8
"""Pixels to one of the glow's."""


def clear(size: tuple[int, int]) -> Layer:
    """Nothing, of (width, height)."""
    return np.zeros((size[1], size[0], 4), np.uint8)


def colour(rgb: Sequence[float], opacity: float = 1.0) -> Colour:
    """rgb: 0..255."""
    red, green, blue = (round(min(max(value, 0), 255) * opacity) for value in rgb)
    return red, green, blue, round(255 * opacity)


def colours(rgb: NDArray[np.floating], opacity: NDArray[np.floating]) -> list[Colour]:
    """Of (n, 3) rgb, 0..255, and (n,) opacities."""
    parts = np.column_stack([np.clip(rgb, 0, 255), np.full(len(rgb), 255)]) * opacity[:, None]
    return cast("list[Colour]", np.rint(parts).astype(int).tolist())


def fill(layer: Layer, corners: NDArray[np.floating], with_: Colour) -> None:
    """A convex shape, corners (n, 2) x y in pixels; its edges are soft by a pixel."""
    cv2.fillConvexPoly(layer, _fixed(corners), with_, cv2.LINE_AA, FINE)


def fills(layer: Layer, shapes: NDArray[np.floating], with_: Colour) -> None:
    """(n, corners, 2): shapes that do not cover each other, at once."""
    corners = np.round(shapes * (1 << FINE)).astype(np.int32)
    cv2.fillPoly(layer, list(corners), with_, cv2.LINE_AA, FINE)


def line(
    layer: Layer, points: NDArray[np.floating], with_: Colour, width: float, *, closed: bool = False
) -> None:
    """Through (n, 2) x y in pixels. OpenCV draws whole widths: a thin line is drawn the next wider
    one, and as much fainter, so that it does not jump as it grows."""
    thick = max(1, round(width) if width > BROAD else math.ceil(width))
    if width < thick <= BROAD:
        red, green, blue, opacity = (round(part * width / thick) for part in with_)
        with_ = (red, green, blue, opacity)
    cv2.polylines(layer, [_fixed(points)], closed, with_, thick, cv2.LINE_AA, FINE)


def disc(layer: Layer, centre: tuple[float, float], radius: float, with_: Colour) -> None:
    """A filled circle."""
    at = (round(centre[0] * (1 << FINE)), round(centre[1] * (1 << FINE)))
    cv2.circle(layer, at, round(radius * (1 << FINE)), with_, cv2.FILLED, cv2.LINE_AA, FINE)


def discs(
    layer: Layer,
    centres: NDArray[np.floating],
    radii: NDArray[np.floating],
    with_: Sequence[Colour],
) -> None:
    """Many small ones, the later ones before the earlier: (n, 2) x y and (n,) in pixels."""
    places = np.rint(centres * (1 << FINE)).astype(int).tolist()
    sizes = np.rint(radii * (1 << FINE)).astype(int).tolist()
    for at, size, ink in zip(places, sizes, with_, strict=True):
        cv2.circle(layer, at, size, ink, cv2.FILLED, cv2.LINE_AA, FINE)


def stencil(size: tuple[int, int]) -> NDArray[np.uint8]:
    """An empty mask (h, w): `fill`, `line` and `disc` draw on it with OPAQUE."""
    return np.zeros((size[1], size[0]), np.uint8)


def through(mask: NDArray[np.uint8], paint: Layer) -> Layer:
    """A layer where the mask lets it be seen."""
    spread = cv2.merge([mask] * 4, _room("four", *mask.shape, 4))
    return cast(Layer, cv2.multiply(paint, spread, scale=1 / 255))


def glowing(layer: Layer, amount: float, reach: float) -> Layer:
    """The layer with light around what it shows; `reach` in pixels. Changed in place."""
    size = (layer.shape[1], layer.shape[0])
    little = (max(2, size[0] // GLOW_STEP), max(2, size[1] // GLOW_STEP))
    small = cv2.resize(layer, little, None, 0, 0, cv2.INTER_AREA).astype(np.float32)
    near = blur(small, reach / GLOW_STEP)
    near += blur(small, 3 * reach / GLOW_STEP) * np.float32(0.8)
    near *= np.float32(amount)
    near += _dither(*near.shape[:2])
    spread = _room("four", *layer.shape)
    cv2.resize(cv2.convertScaleAbs(near), size, spread, 0, 0, cv2.INTER_LINEAR)
    return cast(Layer, cv2.add(layer, spread, layer))


def over(ground: Rgb, layer: Layer, light: float = 1.0) -> Rgb:
    """The ground times `light`, of the layer's size, with the layer before it."""
    rows, columns = layer.shape[:2]
    clearness = cv2.extractChannel(layer, 3, _room("one", rows, columns))
    cv2.bitwise_not(clearness, clearness)
    spread = _room("three", rows, columns, 3)
    cv2.cvtColor(clearness, cv2.COLOR_GRAY2RGB, spread)
    left = cv2.multiply(ground, spread, scale=light / 255)
    cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB, spread)
    return cast(Rgb, cv2.add(left, spread, left))


def over_layer(under: Layer, layer: Layer) -> Layer:
    """One layer before another: both are one layer. `under` is changed in place."""
    clearness = cv2.extractChannel(layer, 3, _room("one", *layer.shape[:2]))
    cv2.bitwise_not(clearness, clearness)
    spread = cv2.merge([clearness] * 4, _room("four", *layer.shape))
    cv2.multiply(under, spread, under, scale=1 / 255)
    return cast(Layer, cv2.add(under, layer, under))


def stamp(layer: Layer, little: Layer, corner: tuple[int, int]) -> None:
    """A smaller layer before a part of this one; `corner` x y, also outside."""
    x, y = corner
    first, top = max(0, -x), max(0, -y)
    part = layer[max(0, y) : max(0, y + little.shape[0]), max(0, x) : max(0, x + little.shape[1])]
    if part.size:
        seen = little[top : top + part.shape[0], first : first + part.shape[1]]
        part[:] = over_layer(np.ascontiguousarray(part), np.ascontiguousarray(seen))


def dimmed(picture: NDArray[np.uint8], light: float) -> NDArray[np.uint8]:
    """The picture, or layer, times `light`."""
    return cast("NDArray[np.uint8]", cv2.convertScaleAbs(picture, alpha=light))


def _fixed(points: NDArray[np.floating]) -> MatLike:
    return np.round(points * (1 << FINE)).astype(np.int32).reshape(-1, 1, 2)


_kept = threading.local()


def _room(use: str, *shape: int) -> NDArray[np.uint8]:
    """Room for a step between, kept for each thread: fresh memory costs more than the step."""
    rooms: dict[str, NDArray[np.uint8]] = _kept.__dict__
    name = f"{use} {shape}"
    if name not in rooms:
        rooms[name] = np.empty(shape, np.uint8)
    return rooms[name]


@cache
def _dither(rows: int, columns: int) -> Floats:
    """Less than half a level, the same in all channels and pictures: no bands in soft light."""
    noise = np.random.default_rng(9).uniform(-0.5, 0.5, (rows, columns, 1))
    return noise.astype(np.float32)
