"""The head that never quite rests: slow idle motion, and a little more of it while someone speaks.

It turns about the neck. Beyond the head the motion fades out smoothly, so that the background
gives way and never tears.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats
from soundreel.engines.preview.drive.curves import Curve, smooth, smoothstep
from soundreel.engines.preview.portrait.face import Face

NECK = 1.6
"""The head turns about a point this far below the mouth, in distances from the eyes to the mouth,
as are all lengths here."""

CENTRE, HALF_WIDTH, HALF_HEIGHT, FADE = -1.15, 1.55, 2.1, 0.75
"""The head, an ellipse, and how far beyond it the motion fades out, as a share of its size."""

IDLE_DEG, SPEAKING_DEG = 0.45, 1.0
IDLE_SHIFT, NOD = 0.012, 0.035

SWELL_S = 0.5
"""Motion follows the loudness over about this time: heads are slow."""


class Sway:
    def __init__(self, face: Face, loudness: Curve, fps: Fraction, seed: int) -> None:
        """loudness: (N,) 0..1."""
        self._face = face
        random = np.random.default_rng([seed, 0x5A9])
        seconds = np.arange(len(loudness)) / float(fps)
        swell = smooth(loudness, float(fps), SWELL_S)
        turn = _wander(seconds, random, (2.3, 3.7, 6.1))
        self._angle = np.radians((IDLE_DEG + SPEAKING_DEG * swell) * turn)
        across = _wander(seconds, random, (3.3, 5.2, 8.3))
        self._across = (IDLE_SHIFT * (1 + swell) * across * face.height).astype(np.float32)
        down = IDLE_SHIFT * _wander(seconds, random, (2.9, 4.7, 7.1)) + NOD * swell
        self._down = (down * face.height).astype(np.float32)

    def bend(self, where: Floats, index: int) -> Floats:
        """(h, w, 2) positions on the canvas, with those of the head moved as frame `index` asks."""
        pivot = np.array(self._face.at(0, NECK * self._face.height), np.float32)
        angle = float(self._angle[index])
        cos, sin = math.cos(angle) - 1, math.sin(angle)
        x, y = where[..., 0] - pivot[0], where[..., 1] - pivot[1]
        share = self._share(where)
        out = where.copy()
        out[..., 0] += share * (x * np.float32(cos) + y * np.float32(sin) - self._across[index])
        out[..., 1] += share * (y * np.float32(cos) - x * np.float32(sin) - self._down[index])
        return out

    def _share(self, where: Floats) -> Floats:
        """1 on the head, 0 away from it."""
        face = self._face
        centre = face.at(0, CENTRE * face.height)
        dx, dy = where[..., 0] - np.float32(centre[0]), where[..., 1] - np.float32(centre[1])
        cos, sin = np.float32(math.cos(face.angle)), np.float32(math.sin(face.angle))
        across = (dx * cos + dy * sin) / np.float32(HALF_WIDTH * face.height)
        down = (dy * cos - dx * sin) / np.float32(HALF_HEIGHT * face.height)
        far = np.sqrt(across * across + down * down)
        return np.asarray(1 - smoothstep((far - 1) / FADE), dtype=np.float32)


def _wander(
    seconds: NDArray[np.float64], random: np.random.Generator, periods: tuple[float, ...]
) -> NDArray[np.float64]:
    """-1..1, slow and without a visible period: one sine for each of `periods`, in seconds."""
    phases = random.uniform(0, 2 * np.pi, len(periods))
    waves = [
        np.sin(2 * np.pi * seconds / period + phase)
        for period, phase in zip(periods, phases, strict=True)
    ]
    return np.asarray(sum(waves) / len(periods))
