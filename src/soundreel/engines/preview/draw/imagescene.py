"""The picture with an image: the camera drifts in depth, beats zoom, bass ripples, highlights glow,
and coloured light plays behind what is near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soundreel.engines.preview.canvas.grid import make_grid, working_size
from soundreel.engines.preview.canvas.ops import (
    Floats,
    dimmed,
    moved,
    padded,
    resize,
    resize_rgb,
    screen,
    shaded,
    split,
    tiled,
    to_bytes,
)
from soundreel.engines.preview.draw.layers import Particles, Rings, Waves
from soundreel.engines.preview.draw.pictures import GLOW_STEP, FrameWarp, ImageSource
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.look.palettes import colour_table, coloured
from soundreel.types import Rgb

COARSE = 8
"""Displacements are smooth: they are worked out on every eighth pixel."""

LIGHT_SHARE = 0.13
"""Pixels of the light to those of the frame: it is soft."""

DUST = 140

WAVES_AT = 0.82
"""Height of a voice's strings: below the face."""


class ImageScene:
    """Frame i is a pure function of the source, the drive, the composition and i."""

    def __init__(
        self,
        width: int,
        height: int,
        source: ImageSource,
        drive: Drive,
        look: Composition,
        warps: Sequence[FrameWarp] = (),
    ) -> None:
        self._size, self._source, self._drive, self._look = (width, height), source, drive, look
        self._warps = warps
        self._pixels = padded(source.canvas)
        coarse = (max(4, width // COARSE), max(4, height // COARSE))
        self._grid = make_grid(coarse, look.centre)
        self._base = _positions((width, height), coarse)
        self._focus = np.array([width * look.centre[0], height * look.centre[1]], dtype=np.float32)
        self._near = self._depth_at(coarse)
        self._work = working_size(width, height, LIGHT_SHARE)
        light_grid = make_grid(self._work, look.centre)
        self._still = np.zeros_like(light_grid.x)
        self._rings = Rings(light_grid, look.shapes["rings"])
        strings = make_grid(self._work, (look.centre[0], WAVES_AT))
        self._waves = Waves(strings, look.seed) if look.shapes["waves"] > 0 else None
        self._dust = Particles(light_grid, look.seed, DUST)
        self._behind = np.clip(1.05 - 1.25 * self._depth_at(self._work), 0, 1)
        self._table = colour_table(replace(look.palette, deep="#000000"))  # no tone, no light
        noise = np.random.default_rng(9).uniform(0, 1, (*self._work[::-1], 1))
        self._dither = noise.astype(np.float32)

    def frame(self, i: int) -> Rgb:
        canvas, coarse = self._source.canvas, self._where(i)
        for warp in self._warps:
            canvas, coarse = warp.apply(canvas, i), warp.bend(coarse, i)
        pixels = self._pixels if canvas is self._source.canvas else padded(canvas)
        picture = moved(pixels, resize(coarse, self._size))
        picture = shaded(picture, resize_rgb(self._shade(i), self._size))
        light = resize_rgb(self._light(i, coarse), self._size)
        return dimmed(screen(picture, light), float(self._drive.light[i]))

    def _where(self, i: int) -> Floats:
        """(h, w, 2) canvas position shown at each coarse pixel."""
        drive, character, unit = self._drive, self._look.character, min(self._size)
        travel = float(drive.travel[i]) * character.pace
        reaction = min(character.reaction, 1.6)
        zoom = 1.0 + 0.04 * float(drive.progress[i]) + 0.02 * float(drive.openness[i])
        zoom += (0.020 * float(drive.pulse[i]) + 0.018 * float(drive.flash[i])) * reaction
        near = (self._near - 0.35)[..., None]
        offset = (self._base - self._focus) * (1 / np.float32(zoom) - near * np.float32(zoom - 1))
        sway = np.array([np.sin(travel * 2.2), 0.6 * np.sin(travel * 1.7 + 1)]) * (0.028 * unit)
        offset += near * sway.astype(np.float32)
        offset += self._ripple(i, 0.0055 * unit * reaction)
        return np.asarray(offset + self._focus + np.float32(self._source.margin))

    def _ripple(self, i: int, size: float) -> Floats:
        """Rings of displacement that run outwards, as deep as the bass is strong."""
        grid, drive = self._grid, self._drive
        wave = np.sin(grid.radius * 20 - np.float32(drive.travel[i] * 11 % (2 * np.pi)))
        depth = wave * np.float32(size * float(drive.bass[i])) / (grid.radius + 0.25)
        return np.dstack([grid.x * depth, grid.y * depth])

    def _shade(self, i: int) -> Rgb:
        """How much of the image is lit, 0..255: what is near stays light, sound opens the rest."""
        energy = float(self._drive.swell[i])
        open_ = 0.50 + 0.34 * energy + 0.03 * float(self._drive.flash[i])
        share = np.float32(open_) + 0.55 * self._near
        share /= 1 + np.float32(0.35 - 0.2 * energy) * self._grid.radius_squared
        grey = to_bytes(np.clip(share * 255, 0, 255))
        return np.repeat(grey[..., None], 3, axis=2)

    def _light(self, i: int, coarse: Floats) -> Rgb:
        """The image's own highlights and the light behind it, at working size."""
        drive, character = self._drive, self._look.character
        amount = 0.12 + 0.32 * float(drive.glow[i]) * character.reaction
        amount = min(0.9, (amount + 0.30 * float(drive.flash[i])) * character.bloom)
        quarter = resize(coarse, (max(2, self._work[0] // 2), max(2, self._work[1] // 2)))
        glow = tiled(self._source.glow, *split(quarter * (1 / GLOW_STEP)))
        colour = self._coloured(i) + resize(glow, self._work) * np.float32(amount)
        colour += self._dither
        return to_bytes(np.minimum(colour, 255))

    def _coloured(self, i: int) -> Floats:
        drive, look = self._drive, self._look
        tone = self._rings.draw(self._still, drive, i) * self._behind
        if self._waves is not None:
            tone += self._waves.draw(drive, i) * 1.5
        tone += self._dust.draw(drive, i, look.character.pace)
        tone *= np.float32(0.6 * look.character.light)
        hue = 0.5 * float(drive.progress[i]) + 0.3 * float(drive.tone[i]) + look.hue
        return coloured(self._table, tone, float(hue % 1))

    def _depth_at(self, size: tuple[int, int]) -> Floats:
        """The source's depth inside the frame."""
        canvas, margin = self._source.canvas.shape[:2], self._source.margin
        rows, columns = self._source.depth.shape
        y0, x0 = margin / canvas[0] * rows, margin / canvas[1] * columns
        ys = np.linspace(y0, rows - 1 - y0, size[1], dtype=np.float32)
        xs = np.linspace(x0, columns - 1 - x0, size[0], dtype=np.float32)
        return tiled(self._source.depth, *np.meshgrid(xs, ys))


def _positions(frame: tuple[int, int], coarse: tuple[int, int]) -> Floats:
    """(h, w, 2) frame position of every coarse pixel's centre, as resizing counts."""
    x, y = (
        (np.arange(few, dtype=np.float32) + 0.5) * np.float32(many / few) - 0.5
        for many, few in zip(frame, coarse, strict=True)
    )
    return np.dstack(np.meshgrid(x, y)).astype(np.float32)
