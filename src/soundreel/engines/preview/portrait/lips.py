"""How the mouth of a portrait lies: where its lower lip begins, whether teeth show, its colours.

The line that opens is the upper edge of the lower lip. Between closed lips it is a dark line; below
a smile it is where teeth end. It is searched for as a parabola about the corners of the mouth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats, blur
from soundreel.engines.preview.portrait.face import Face
from soundreel.media.srgb import to_linear
from soundreel.types import Rgb

SCALE = 100
"""Pixels to a mouth width in the patch that is looked at."""

LEFT, TOP, RIGHT, BOTTOM = -0.75, -0.55, 0.75, 0.75
"""The patch, in mouth widths about the middle of the mouth."""

REACH = 0.43
"""The line is compared with the picture up to this far on both sides."""

STEP = 0.08
"""Above and below the line, the picture is compared over this height."""

GREY = 6.0
"""Skin with less chroma than this is that of a black-and-white picture."""

FRINGE = 0.012
"""The blurred end of the teeth goes with the teeth: on the lip it would be a pale seam."""

_XYZ_OF_RGB = np.array(
    [
        [0.433953, 0.376219, 0.189828],
        [0.212671, 0.715160, 0.072169],
        [0.017758, 0.109477, 0.872766],
    ]
)
"""Linear sRGB to XYZ over the white point's (IEC 61966-2-1)."""

Colour = NDArray[np.float32]
"""(3,) sRGB 0..255."""


@dataclass(frozen=True, slots=True)
class Lips:
    """Lengths in mouth widths, downwards positive. The line runs at
    offset + tilt * u + sag * (1 - (2 u)^2) below the line of the corners, u from -0.5 to 0.5.
    teeth: height of the teeth that the picture shows, 0 where the lips are closed. skin: around
    the mouth. dark, tongue, tooth: inside of the mouth, made from the skin."""

    offset: float
    tilt: float
    sag: float
    teeth: float
    skin: Colour
    dark: Colour
    tongue: Colour
    tooth: Colour


def read_lips(canvas: Rgb, face: Face) -> Lips:
    patch = blur(_patch(canvas, face).astype(np.float32), SCALE * 0.012)
    light, colourful = _light_and_chroma(patch)
    places = [(-0.62, 0.30), (0.62, 0.30), (0.0, 0.60), (-0.5, 0.45), (0.5, 0.45)]
    skin = np.median([patch[_row(v), _column(u)] for u, v in places], axis=0).astype(np.float32)
    skin_light, skin_chroma = (float(plane[0, 0]) for plane in _light_and_chroma(skin[None, None]))
    teeth = _pale(light / max(skin_light, 1.0), colourful, skin_chroma)
    lines = _lines()
    if _ends(teeth, lines, 0.3).max() > 0.3:
        inside = np.maximum(teeth, np.clip((0.68 - light / max(skin_light, 1.0)) / 0.15, 0, 1))
        best = int(_ends(inside, lines, REACH).argmax())
        height = _height_above(teeth, lines[best])
    else:
        best, height = int(_valley(light, lines).argmax()), 0.0
    offset, tilt, sag = (float(value) for value in lines[best])
    offset += FRINGE if height > 0 else 0.0
    return Lips(offset, tilt, sag, height, skin, *_inner(skin, skin_chroma))


def _patch(canvas: Rgb, face: Face) -> Rgb:
    """The mouth upright, SCALE pixels to its width."""
    unit = face.width / SCALE
    cos, sin = math.cos(face.angle) * unit, math.sin(face.angle) * unit
    x, y = face.at(LEFT * face.width, TOP * face.width)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    size = (round((RIGHT - LEFT) * SCALE), round((BOTTOM - TOP) * SCALE))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(canvas, matrix, size, None, how, cv2.BORDER_REPLICATE))


def _light_and_chroma(rgb: Floats) -> tuple[Floats, Floats]:
    """Lightness 0..100 and chroma of CIELAB, white D65. (OpenCV's own conversion spends 70 ms on
    tables before the first pixel.)"""
    share = rgb / np.float32(255)
    x, y, z = np.moveaxis(to_linear(share) @ _XYZ_OF_RGB.T, -1, 0)
    fx, fy, fz = (
        np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116) for part in (x, y, z)
    )
    return _f32(116 * fy - 16), _f32(np.hypot(500 * (fx - fy), 200 * (fy - fz)))


def _f32(values: NDArray[np.floating]) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _pale(light: Floats, chroma: Floats, skin_chroma: float) -> Floats:
    """0..1 how much like teeth: less coloured than skin and not dark; in a grey picture lighter."""
    if skin_chroma < GREY:
        return np.asarray(np.clip((light - 1.0) / 0.1, 0, 1))
    pale = np.clip((0.78 - chroma / skin_chroma) / 0.3, 0, 1)
    return np.asarray(pale * np.clip((light - 0.55) / 0.3, 0, 1))


def _row(v: float) -> int:
    return round((v - TOP) * SCALE)


def _column(u: float) -> int:
    return round((u - LEFT) * SCALE)


def _lines() -> NDArray[np.float64]:
    """(K, 3) offset, tilt and sag of every line that is tried."""
    offsets, tilts = np.linspace(-0.18, 0.14, 17), np.linspace(-0.08, 0.08, 5)
    sags = np.linspace(-0.08, 0.34, 15)
    return np.stack(np.meshgrid(offsets, tilts, sags, indexing="ij"), axis=-1).reshape(-1, 3)


def _heights(lines: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, len(u)) of the lines at places across."""
    return lines[:, :1] + lines[:, 1:2] * u + lines[:, 2:] * (1 - (2 * u) ** 2)


def _mean_between(
    plane: Floats,
    lines: NDArray[np.float64],
    above: float,
    below: float,
    reach: float = REACH,
) -> NDArray[np.float64]:
    """(K,) mean of the plane in the band [above, below] about each line."""
    total = np.vstack([np.zeros((1, plane.shape[1])), np.cumsum(plane, axis=0, dtype=np.float64)])
    u = np.linspace(-reach, reach, 27)
    columns = np.round((u - LEFT) * SCALE).astype(int)
    heights = _heights(lines, u)
    first = np.round((heights + above - TOP) * SCALE).astype(int)
    last = np.round((heights + below - TOP) * SCALE).astype(int)
    sums = total[last, columns] - total[first, columns]
    return np.asarray((sums / np.maximum(last - first, 1)).mean(axis=1))


def _ends(inside: Floats, lines: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """(K,) how well the inside of the mouth ends at each line."""
    above = _mean_between(inside, lines, -STEP, 0, reach)
    return above - _mean_between(inside, lines, 0, STEP, reach)


def _valley(light: Floats, lines: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) how much darker each line is than what lies on both sides of it; lines near the middle
    of the mouth are preferred, as nostrils and the fold of the chin are dark too."""
    thin = 0.02
    beside = np.minimum(
        _mean_between(light, lines, -STEP - thin, -thin),
        _mean_between(light, lines, thin, thin + STEP),
    )
    depth = beside - _mean_between(light, lines, -thin, thin)
    middle = lines[:, 0] + 0.6 * lines[:, 2]
    return np.asarray(depth - 40 * middle**2 - 20 * lines[:, 1] ** 2)


def _height_above(teeth: Floats, line: NDArray[np.float64]) -> float:
    """Height of the teeth over the middle of the line."""
    u = np.linspace(-0.15, 0.15, 13)
    bottoms = np.round((_heights(line[None], u)[0] - TOP) * SCALE).astype(int)
    columns = np.round((u - LEFT) * SCALE).astype(int)
    rows = [
        (teeth[max(0, b - 30) : b, c] > 0.2).sum() for b, c in zip(bottoms, columns, strict=True)
    ]
    return float(np.clip(np.median(rows) / SCALE, 0.0, 0.25))


def _inner(skin: Colour, chroma: float) -> tuple[Colour, Colour, Colour]:
    """Skin in the shade of the mouth, the tongue (red stays longest) and teeth. Grey stays grey."""
    warm = min(1.0, chroma / (2 * GREY))

    def tinted(tint: tuple[float, float, float]) -> Colour:
        mean = sum(tint) / 3
        share = np.array([mean + warm * (part - mean) for part in tint])
        return np.asarray(np.maximum(skin * share, 4), dtype=np.float32)

    light = np.full(3, skin.max()) - warm * np.array([6, 16, 34], np.float32)
    tooth = np.asarray(np.clip(light, 4, 255), dtype=np.float32)
    return tinted((0.20, 0.085, 0.075)), tinted((0.52, 0.25, 0.23)), tooth
