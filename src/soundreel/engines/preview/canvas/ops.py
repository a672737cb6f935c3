"""The few OpenCV calls that draw, with types and fixed manners. Sizes are (width, height)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb

if TYPE_CHECKING:
    from cv2.typing import MatLike

Floats = NDArray[np.float32]
"""float32: (h, w) planes, (h, w, 2) positions x y, (h, w, 3) colour."""


def resize(picture: Floats, size: tuple[int, int], *, smooth: bool = False) -> Floats:
    """Bilinear, or bicubic where slopes show (`smooth`)."""
    how = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    return cast(Floats, cv2.resize(picture, size, None, 0, 0, how))


def shrink(picture: Floats, size: tuple[int, int]) -> Floats:
    """Mean over areas: no aliasing."""
    return cast(Floats, cv2.resize(picture, size, None, 0, 0, cv2.INTER_AREA))


def resize_rgb(picture: Rgb, size: tuple[int, int]) -> Rgb:
    """Area mean downwards, bicubic upwards."""
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_CUBIC
    return cast(Rgb, cv2.resize(picture, size, None, 0, 0, how))


def square_of(picture: Rgb, side: int) -> Rgb:
    """Its middle, (side, side, 3)."""
    rows, columns = picture.shape[:2]
    least = min(rows, columns)
    y, x = (rows - least) // 2, (columns - least) // 2
    return resize_rgb(np.ascontiguousarray(picture[y : y + least, x : x + least]), (side, side))


def enlarged(picture: Rgb, size: tuple[int, int]) -> Rgb:
    """Bicubic."""
    return cast(Rgb, cv2.resize(picture, size, None, 0, 0, cv2.INTER_CUBIC))


def tiled(texture: Floats, x: Floats, y: Floats) -> Floats:
    """The texture at positions x, y in texels; it repeats without end."""
    return cast(Floats, _remap(texture, x, y, cv2.BORDER_WRAP))


def held(texture: Floats, x: Floats, y: Floats) -> Floats:
    """The texture at positions x, y; beyond its edge the last value holds."""
    return cast(Floats, _remap(texture, x, y, cv2.BORDER_REPLICATE))


def padded(picture: Rgb) -> NDArray[np.uint8]:
    """With a fourth channel, (h, w, 4): pixels that are looked up in half the time."""
    return cast(NDArray[np.uint8], cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA))


def moved(pixels: NDArray[np.uint8], where: Floats) -> Rgb:
    """The `padded` picture at positions (h, w, 2) in pixels; mirrored beyond its edge."""
    found = _remap(pixels, where, None, cv2.BORDER_REFLECT_101)
    return cast(Rgb, cv2.cvtColor(found, cv2.COLOR_RGBA2RGB))


def split(pair: Floats) -> tuple[Floats, Floats]:
    """The two channels, each contiguous: much faster to work on."""
    first, second = cv2.split(pair)
    return cast(Floats, first), cast(Floats, second)


def blur(picture: Floats, sigma: float) -> Floats:
    """Gaussian."""
    return cast(Floats, cv2.GaussianBlur(picture, (0, 0), max(0.5, sigma)))


def slopes(surface: Floats, scale: float) -> tuple[Floats, Floats]:
    """Smoothed derivatives along x and y, times `scale`."""
    across = cv2.Sobel(surface, cv2.CV_32F, 1, 0, ksize=3, scale=scale / 8)
    down = cv2.Sobel(surface, cv2.CV_32F, 0, 1, ksize=3, scale=scale / 8)
    for plane in (across, down):  # the filter sees no slope across the border itself
        plane[:, 0], plane[:, -1] = plane[:, 1], plane[:, -2]
        plane[0], plane[-1] = plane[1], plane[-2]
    return cast(Floats, across), cast(Floats, down)


def to_bytes(picture: Floats) -> Rgb:
    """Rounded and clipped to 0..255; the sign is lost."""
    return cast(Rgb, cv2.convertScaleAbs(picture))


def lit(picture: Rgb, gain: Rgb, light: Rgb, full: int) -> Rgb:
    """The picture times gain / full, and light added: both small, spread to the picture's size."""
    size = (picture.shape[1], picture.shape[0])
    spread = (cv2.resize(plane, size, None, 0, 0, cv2.INTER_LINEAR) for plane in (gain, light))
    shown = cv2.multiply(picture, next(spread), picture, 1 / full)
    return cast(Rgb, cv2.add(shown, next(spread), shown))


def _remap(source: MatLike, x: Floats, y: Floats | None, border: int) -> MatLike:
    # OpenCV's types forbid the None that it asks for beside positions in one array; an empty array
    # instead makes it hang.
    return cv2.remap(source, x, cast("MatLike", y), cv2.INTER_LINEAR, None, border)
