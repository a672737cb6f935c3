"""Blinks: the skin above the eye slides down over it, lashes first.

Lengths are shares of the distance between the eyes; x runs across an eye, y down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from soundreel.engines.preview.canvas.ops import Floats, blur, to_bytes
from soundreel.engines.preview.drive.curves import Curve, smoothstep
from soundreel.engines.preview.portrait.face import Face, Point
from soundreel.types import Rgb

HALF, UPPER, LOWER, BROW = 0.28, 0.10, 0.10, 0.24
"""Half of the eye's width, its lids above and below the pupil, the lid's skin up to the brow."""

LASHES = 0.025
"""They hang this far over the eye and come down with the lid."""

SEARCH = 0.10
"""The pupil is the darkest place within this distance of where the finder saw the eye."""

PAUSE_S = (2.0, 6.0)
CLOSING_S, OPENING_S = 0.075, 0.13
"""From open to shut and back; together somewhat more than what people take."""


@dataclass(frozen=True, slots=True)
class _Eye:
    """Pixels x0 y0 x1 y1 of the canvas, and x, y of each; none where the eye lies outside."""

    box: tuple[int, int, int, int]
    x: Floats
    y: Floats


class Eyes:
    def __init__(self, canvas: Rgb, face: Face) -> None:
        self._unit = math.dist(*face.eyes)
        self._axes = (math.cos(face.angle) * self._unit, math.sin(face.angle) * self._unit)
        self._eyes = [self._eye(canvas, self._pupil(canvas, eye)) for eye in face.eyes]

    def draw(self, canvas: Rgb, shut: float) -> None:
        """Change `canvas` in place; shut 0 open to 1 closed."""
        for eye in self._eyes:
            if eye.x.size > 0:
                self._lower_lid(canvas, eye, shut)

    def _lower_lid(self, canvas: Rgb, eye: _Eye, shut: float) -> None:
        arch = np.maximum(1 - (eye.x / HALF) ** 2, 0)
        edge = arch * (shut * (UPPER + LOWER) - UPPER)
        skin = BROW - arch * (UPPER - LASHES)  # height of the lid when open
        share = np.clip((eye.y + BROW) / np.maximum(edge + BROW, 1e-3), 0, 1)
        move = np.where(eye.y > -BROW, -BROW + share * skin - eye.y, 0)
        move = move * (1 - smoothstep((np.abs(eye.x) - HALF) / 0.07))
        x0, y0, x1, y1 = eye.box
        xs, ys = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        map_x, map_y = xs - move * self._axes[1], ys + move * self._axes[0]
        lid = cv2.remap(
            canvas,
            map_x.astype(np.float32),
            map_y.astype(np.float32),
            cv2.INTER_LINEAR,
            None,
            cv2.BORDER_REPLICATE,
        )
        soft = max(0.02, 1.2 / self._unit)
        cover = np.clip((edge - eye.y) / soft + 0.5, 0, 1)
        area = canvas[y0:y1, x0:x1].astype(np.float32)
        area += (lid - area) * np.asarray(cover, np.float32)[..., None]
        canvas[y0:y1, x0:x1] = to_bytes(area)

    def _eye(self, canvas: Rgb, pupil: Point) -> _Eye:
        rows, columns = canvas.shape[:2]
        reach = (HALF + 0.14) * self._unit
        x0, y0 = max(0, int(pupil[0] - reach)), max(0, int(pupil[1] - reach))
        x1, y1 = min(columns, int(pupil[0] + reach) + 1), min(rows, int(pupil[1] + reach) + 1)
        xs, ys = np.meshgrid(np.arange(x0, max(x1, x0)), np.arange(y0, max(y1, y0)))
        dx, dy = (xs - pupil[0]) / self._unit**2, (ys - pupil[1]) / self._unit**2
        cos, sin = self._axes
        x, y = dx * cos + dy * sin, dy * cos - dx * sin
        return _Eye((x0, y0, x1, y1), x.astype(np.float32), y.astype(np.float32))

    def _pupil(self, canvas: Rgb, eye: Point) -> Point:
        reach = max(1, round(SEARCH * self._unit))
        x, y = round(eye[0]), round(eye[1])
        x0, y0 = max(0, x - 2 * reach), max(0, y - 2 * reach)
        part = canvas[y0 : max(0, y + 2 * reach + 1), x0 : max(0, x + 2 * reach + 1)]
        if part.size == 0:
            return eye
        light = blur(part.astype(np.float32).mean(axis=2), 0.05 * self._unit)
        ys, xs = np.indices(light.shape)
        away = np.hypot(xs + x0 - eye[0], ys + y0 - eye[1])
        light = np.where(away <= reach, light + 20 * (away / reach) ** 2, np.inf)
        row, column = np.unravel_index(int(light.argmin()), light.shape)
        return float(x0 + column), float(y0 + row)


def blinks(num_frames: int, fps: Fraction, seed: int) -> Curve:
    """(N,) 0 open to 1 shut: one blink every two to six seconds, the same for the same seed."""
    random = np.random.default_rng([seed, 0xB11])
    rate = float(fps)
    curve = np.zeros(num_frames, dtype=np.float32)
    at = random.uniform(1.0, 3.0)
    while round(at * rate) < num_frames:
        middle = round(at * rate)  # on a frame, so that every blink is seen to close
        first, last = max(0, middle - round(rate)), min(num_frames, middle + round(rate))
        age = (np.arange(first, last) - middle) / rate
        part = 1 - np.where(age < 0, -age / CLOSING_S, age / OPENING_S)
        curve[first:last] = np.maximum(curve[first:last], smoothstep(part))
        at += random.uniform(*PAUSE_S)
    return curve
