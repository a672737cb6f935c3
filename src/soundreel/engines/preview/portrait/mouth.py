"""The mouth that opens: the jaw slides down by a smooth field, the lips part, and what lies behind
them shows.

All lengths are in mouth widths. u runs across from the middle of the mouth, v down; the field says
for every point of the new picture where it was in the old one. It is continuous, so nothing tears.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from soundreel.engines.preview.canvas.ops import Floats, resize, to_bytes
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.engines.preview.portrait.face import Face
from soundreel.engines.preview.portrait.lips import Lips
from soundreel.engines.preview.portrait.phonemes import MouthShape
from soundreel.types import Rgb

LEFT, TOP, RIGHT, BOTTOM = -0.92, -0.65, 0.92, 1.45
"""The part of the face that moves."""

GRID = 56
"""Points of the field to a mouth width: finer ones cannot be seen."""

DROP = 0.23
"""The lower lip's way at full opening, as a share of the distance from the eyes to the mouth."""

CHIN, NECK = 0.50, 1.40
"""The jaw moves as one down to CHIN below the lip; at NECK the skin rests."""

HALF = 0.48
"""Half of the opening's width: it ends just inside the corners."""

SOFT = 0.022
"""Edges of the lips."""

TEETH, ROW, TOOTH, SHOWN = 0.095, 0.40, 0.10, 0.03
"""Length of drawn teeth, half of the row, width of one; from SHOWN on the picture has its own."""

OVERLAP = 0.025
"""Pressed lips cover the teeth and a little more."""

NARROWER, UNCOVERED = 0.07, 0.45
"""A smile that is put away to speak: its corners come in by this share, and the lips that cover its
teeth part with the mouth, wholly from that opening on."""

STILL = 0.004
"""Movements below this are none."""


@dataclass(frozen=True, slots=True)
class _Pose:
    """half: of the opening's width. down, lift: way of the lower lip and, upwards, of the upper lip
    in the middle. shut: way of the lower lip up over the teeth (taken off `down`). bow: exponent of
    the opening's outline. flatten: share of the smile's sag taken away."""

    half: float
    down: float
    lift: float
    shut: float
    bow: float
    flatten: float


class Mouth:
    """A mouth on a canvas."""

    def __init__(self, canvas: Rgb, face: Face, lips: Lips) -> None:
        self._lips = lips
        self._drop = DROP * min(max(face.height / face.width, 0.7), 1.4)
        self._box = _bounds(face, (LEFT, TOP, RIGHT, BOTTOM), canvas)
        x0, y0, x1, y1 = self._box
        step = max(1.0, face.width / GRID)
        shape = (max(2, round((y1 - y0) / step)), max(2, round((x1 - x0) / step)))
        self._x, self._y = _positions(self._box, shape)
        cos, sin = math.cos(face.angle), math.sin(face.angle)
        dx, dy = self._x - face.mouth[0], self._y - face.mouth[1]
        self._u, self._v = (dx * cos + dy * sin) / face.width, (dy * cos - dx * sin) / face.width
        self._axes = (cos * face.width, sin * face.width)
        far = np.hypot(self._u / 0.88, self._v / 0.62)
        self._near = _f32(1 - smoothstep((far - 0.5) / 0.5))
        self._line = lips.offset + lips.tilt * np.clip(self._u, -0.5, 0.5)
        self._soft = max(SOFT, 1.2 / face.width)

    def draw(self, canvas: Rgb, shape: MouthShape) -> Rgb:
        """A copy of the canvas with the mouth in this shape; the same array if nothing moves."""
        pose = self._pose(shape)
        if max(abs(pose.down), pose.lift, pose.shut, abs(pose.half - 0.5)) < STILL:
            return canvas
        x0, y0, x1, y1 = self._box
        u, height, sag = self._source(pose)
        du, dv = u - self._u, self._line + sag + self._behind(pose, u, height) - self._v
        cos, sin = self._axes
        size = (x1 - x0, y1 - y0)
        map_x = resize(_f32(self._x + du * cos - dv * sin), size)
        map_y = resize(_f32(self._y + du * sin + dv * cos), size)
        moved = cv2.remap(canvas, map_x, map_y, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
        colour, alpha = self._inside(pose, shape, u, height)
        picture = canvas.copy()
        picture[y0:y1, x0:x1] = _laid_over(np.asarray(moved), colour, alpha)
        return picture

    def _pose(self, shape: MouthShape) -> _Pose:
        smiles = self._lips.teeth > SHOWN
        composed = shape.composed * smiles
        half = 0.5 * (1 + 0.05 * shape.spread - 0.20 * shape.rounding - 0.05 * shape.opening)
        half *= 1 - NARROWER * composed
        drop = self._drop * shape.opening
        closed = composed * (1 - float(smoothstep(shape.opening / UNCOVERED)))
        shut = max(shape.press, closed) * (self._lips.teeth + OVERLAP) * smiles
        return _Pose(
            half=half,
            down=drop - shut,
            lift=0.16 * drop,
            shut=shut,
            bow=0.85 - 0.25 * shape.rounding,
            flatten=max(0.45 * shape.rounding, 0.25 * shape.press, 0.4 * composed),
        )

    def _source(self, pose: _Pose) -> tuple[Floats, Floats, Floats]:
        """u in the old picture, height below the line of the lips in the new one, and the line's
        sag in the old one."""
        u = self._u * (1 + (0.5 / pose.half - 1) * self._near)
        sag = self._lips.sag * np.maximum(1 - (2 * u) ** 2, 0)
        height = self._v - self._line - sag * (1 - pose.flatten * self._near)
        return _f32(u), _f32(height), _f32(sag)

    def _behind(self, pose: _Pose, u: Floats, height: Floats) -> Floats:
        """Height below the line in the old picture. Between the lips it stands still at 0: the line
        itself, which the inside of the mouth covers."""
        profile = _profile(u, HALF, pose.bow)
        down, up, shut = (way * profile for way in (pose.down, pose.lift, pose.shut))
        below, above = np.maximum(height - down, 0), np.maximum(-height - up, 0)
        plate = _profile(u, HALF + 0.32 * smoothstep(below / 0.5), pose.bow)
        fade = 1 - smoothstep((below - CHIN) / (NECK - CHIN))
        lower = np.maximum(height - pose.down * plate * fade, 0)
        teeth = self._lips.teeth * profile
        squeeze = np.clip((height + teeth) / np.maximum(teeth - shut, 1e-4), 0, 1)
        upper = np.minimum(height + up * (1 - smoothstep(above / 0.35)) + squeeze * shut, 0)
        return _f32(np.where(height > down, lower, np.where(height < -up, upper, 0)))

    def _inside(
        self, pose: _Pose, shape: MouthShape, u: Floats, height: Floats
    ) -> tuple[Floats, Floats]:
        """Colour (h, w, 3) and share (h, w) of what shows between the lips, on the field's grid."""
        profile = _profile(u, HALF, pose.bow)
        down, up, soft = pose.down * profile, pose.lift * profile, self._soft
        gap = np.maximum(down + up, 0)
        parted = np.clip((height + up) / soft + 0.5, 0, 1) * np.clip(
            (down - height) / soft + 0.5, 0, 1
        )
        share = parted * np.clip(gap / (1.5 * soft), 0, 1)
        depth = _f32(np.clip((height + up) / np.maximum(gap, 1e-3), 0, 1))
        colour = self._throat(u, depth, gap)
        if self._lips.teeth < SHOWN:
            self._add_teeth(colour, shape, u, height + up, gap)
        if pose.shut > STILL:
            met = pose.shut / (self._lips.teeth + OVERLAP)
            contact = np.exp(-(((height - down) / (1.1 * soft)) ** 2)) * np.clip(profile * 5, 0, 1)
            share = np.maximum(share, 0.7 * met**2 * contact)
        return colour, _f32(share)

    def _throat(self, u: Floats, depth: Floats, gap: Floats) -> Floats:
        """Dark in the middle; towards the lower lip the tongue catches some light."""
        lit = smoothstep((depth - 0.45) / 0.55) * np.clip(1 - (u / 0.42) ** 2, 0, 1)
        lit = lit * np.clip(gap / 0.18, 0, 1) * 0.75
        edge = 0.35 * np.clip(np.abs(u) / 0.5, 0, 1) ** 2
        dark, tongue = self._lips.dark, self._lips.tongue
        return _f32(dark * (1 + edge[..., None]) + (tongue - dark) * lit[..., None])

    def _add_teeth(
        self, colour: Floats, shape: MouthShape, u: Floats, under: Floats, gap: Floats
    ) -> None:
        """A hint of the upper row, in the shade of the lip; most where the mouth is spread."""
        length = TEETH * (0.6 + 0.4 * shape.spread) * (1 - 0.85 * shape.rounding)
        length = length * np.clip(1 - (u / ROW) ** 2, 0, 1) ** 0.3
        between = np.abs((u / TOOTH + 0.5) % 1 - 0.5)  # 0 where two teeth meet
        length = np.minimum(length, 0.62 * gap) * (1 - 0.10 * np.exp(-((between / 0.12) ** 2)))
        show = np.clip((length - under) / (1.5 * self._soft) + 0.5, 0, 1)
        show = show * np.clip(length / 0.03, 0, 1) * 0.92
        shade = (0.60 + 0.40 * smoothstep(under / 0.05)) * (1 - 0.45 * np.clip(u / ROW, -1, 1) ** 2)
        shade = shade * (1 - 0.12 * np.exp(-((between / 0.08) ** 2)))
        colour += (self._lips.tooth * shade[..., None] - colour) * show[..., None]


def _profile(u: Floats, half: float | Floats, bow: float) -> Floats:
    """1 in the middle, 0 from `half` on."""
    return _f32(np.maximum(1 - (u / half) ** 2, 0) ** bow)


def _laid_over(picture: Rgb, colour: Floats, share: Floats) -> Rgb:
    """Colour over the rows of the picture where any shows."""
    rows = np.flatnonzero(share.max(axis=1) > 0)
    if len(rows) == 0:
        return picture
    scale = picture.shape[0] / share.shape[0]
    first, last = max(0, rows[0] - 1), min(share.shape[0], rows[-1] + 2)
    top, bottom = round(first * scale), round(last * scale)
    size = (picture.shape[1], bottom - top)
    part = picture[top:bottom].astype(np.float32)
    weight = resize(share[first:last], size)[..., None]
    seen = part[..., :3]
    seen += (resize(colour[first:last], size) - seen) * weight
    picture[top:bottom] = to_bytes(part)
    return picture


def _bounds(
    face: Face, region: tuple[float, float, float, float], canvas: Rgb
) -> tuple[int, int, int, int]:
    """Pixels x0 y0 x1 y1 that hold a region given in mouth widths, inside the canvas."""
    left, top, right, bottom = (side * face.width for side in region)
    corners = [face.at(x, y) for x in (left, right) for y in (top, bottom)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    rows, columns = canvas.shape[:2]
    return (
        int(min(max(min(xs), 0), columns - 2)),
        int(min(max(min(ys), 0), rows - 2)),
        int(max(min(max(xs) + 1, columns), 2)),
        int(max(min(max(ys) + 1, rows), 2)),
    )


def _positions(box: tuple[int, int, int, int], shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """x and y on the canvas of the grid's points, as resizing counts."""
    x0, y0, x1, y1 = box
    rows, columns = shape
    xs = x0 + (np.arange(columns) + 0.5) * ((x1 - x0) / columns) - 0.5
    ys = y0 + (np.arange(rows) + 0.5) * ((y1 - y0) / rows) - 0.5
    x, y = np.meshgrid(xs, ys)
    return _f32(x), _f32(y)


def _f32(values: np.ndarray) -> Floats:
    return np.asarray(values, dtype=np.float32)
