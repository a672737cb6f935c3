"""The picture with an image: the camera drifts in depth, beats zoom, bass ripples, light glows."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from soundreel.engines.preview.composition import Composition
from soundreel.engines.preview.drive import Drive
from soundreel.engines.preview.layers import Particles, make_grid
from soundreel.engines.preview.pictures import FrameWarp, ImageSource
from soundreel.types import Rgb

COARSE = 8
"""Displacements are smooth: they are worked out on every eighth pixel."""


class ImageScene:
    """Frame i is a pure function of the source, the drive, the composition and i."""

    def __init__(
        self,
        width: int,
        height: int,
        source: ImageSource,
        drive: Drive,
        composition: Composition,
        warps: Sequence[FrameWarp] = (),
    ) -> None:
        self._size = (width, height)
        self._source = source
        self._drive = drive
        self._look = composition
        self._warps = warps
        self._particles = Particles(composition.seed, 160)
        coarse = (max(4, width // COARSE), max(4, height // COARSE))
        self._grid = make_grid(*coarse, composition.centre)
        self._dust_grid = make_grid(max(4, width // 2), max(4, height // 2), composition.centre)
        canvas_size = source.canvas.shape[1::-1]
        depth = cv2.resize(source.depth, canvas_size, None, 0, 0, cv2.INTER_CUBIC)
        m = source.margin
        self._depth = cv2.resize(depth[m : m + height, m : m + width], coarse)
        self._base = _positions(width, height, coarse)
        self._centre = np.array(
            [width * composition.centre[0], height * composition.centre[1]], dtype=np.float32
        )

    def frame(self, i: int) -> Rgb:
        canvas = self._source.canvas
        for warp in self._warps:
            canvas = warp.apply(canvas, i)
        coarse = self._where(i)
        where = cv2.resize(coarse, self._size, None, 0, 0, cv2.INTER_LINEAR)
        picture = cv2.remap(canvas, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT_101)
        return self._light(i, picture, coarse)

    def _where(self, i: int) -> np.ndarray:
        """(h, w, 2) canvas position shown at each coarse pixel."""
        drive, look, unit = self._drive, self._look, min(self._size)
        reaction = look.character.reaction
        travel = drive.travel[i] * look.character.pace
        sway = 0.020 * unit * np.array([np.sin(travel * 0.9), 0.7 * np.sin(travel * 0.63 + 1)])
        zoom = 1.0 + 0.03 * float(drive.progress[i]) + 0.02 * float(drive.openness[i])
        zoom += (0.022 * float(drive.pulse[i]) + 0.014 * float(drive.flash[i])) * reaction
        offset = (self._base - self._centre) / np.float32(zoom)
        near = (self._depth - 0.35)[..., None]
        offset += near * sway.astype(np.float32)
        offset *= 1 - near * np.float32(0.02 * (zoom - 1) * 10)
        ripple = 0.006 * unit * float(drive.bass[i]) * min(reaction, 1.5)
        wave = np.sin(self._grid.radius * 22 - np.float32(drive.travel[i] * 9))
        fall = ripple / (1 + 3 * self._grid.radius)
        radial = np.dstack([self._grid.x, self._grid.y]) / (self._grid.radius[..., None] + 0.15)
        offset += radial * (wave * fall)[..., None]
        return np.asarray(offset + self._centre + np.float32(self._source.margin), dtype=np.float32)

    def _light(self, i: int, picture: Rgb, coarse: np.ndarray) -> Rgb:
        drive, look = self._drive, self._look
        quarter = cv2.resize(coarse, (max(2, self._size[0] // 4), max(2, self._size[1] // 4)))
        glow = cv2.remap(self._source.glow, quarter / 4, None, cv2.INTER_LINEAR)
        amount = (
            0.12 + 0.5 * float(drive.energy[i]) * look.character.reaction
        ) * look.character.bloom
        amount += 0.35 * float(drive.flash[i])
        glow *= np.float32(min(amount, 1.2))
        glow = cv2.resize(glow, self._size, None, 0, 0, cv2.INTER_LINEAR)
        full = cv2.add(picture, glow, dtype=cv2.CV_32F)
        over = np.maximum(full - 215, 0)
        full -= over * over / (over + 38)
        return cv2.convertScaleAbs(full, alpha=float(drive.light[i]))


def _positions(width: int, height: int, coarse: tuple[int, int]) -> np.ndarray:
    """(h, w, 2) frame position of every coarse pixel's centre, as cv2.resize counts."""
    x = (np.arange(coarse[0], dtype=np.float32) + 0.5) * (width / coarse[0]) - 0.5
    y = (np.arange(coarse[1], dtype=np.float32) + 0.5) * (height / coarse[1]) - 0.5
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)
