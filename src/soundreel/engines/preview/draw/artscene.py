"""Artwork shown whole and untouched, and a surround that moves to the sound: light that runs
outwards from its outline, on its own colours."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from soundreel.engines.preview.canvas.grid import Grid, make_grid, working_size
from soundreel.engines.preview.canvas.ops import (
    Floats,
    blur,
    enlarged,
    resize,
    resize_rgb,
    to_bytes,
)
from soundreel.engines.preview.draw.art import PALE, Artwork
from soundreel.engines.preview.draw.camera import AMOUNT, Motion
from soundreel.engines.preview.draw.layers import Particles, Rings
from soundreel.engines.preview.draw.pictures import mirrored
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.look.palettes import (
    colour_table,
    coloured,
    format_colour,
    parse_colour,
)
from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.types import Rgb

SHARE = 0.13
"""Pixels of the surround to those of the frame: it is soft."""

GROUND_STEP = 8
"""Frame pixels to one of the blurred ground."""

OUTLINE = 0.11
"""Rings are drawn as if the outline were so far from their middle: the first lies just outside."""

SHADOW = 0.025
"""How far the artwork's shadow reaches, in the frame's smaller sides."""

DUST = 160

BLOBS = 4
"""Soft lights that wander behind a cut-out."""


class ArtScene:
    """Frame i is a pure function of the artwork, the drive, the composition and i."""

    def __init__(
        self, art: Artwork, image: Rgb, drive: Drive, look: Composition, motion: Motion = "full"
    ) -> None:
        """image: the artwork as it is, for the colours around an opaque one."""
        self._art, self._drive, self._look = art, drive, look
        self._amount = AMOUNT[motion]
        self._work = work = working_size(*art.frame, SHARE)
        self._grid = make_grid(work, (0.5, 0.5))
        away = art.outside(work)
        around = away + np.float32(OUTLINE)
        shapes = Grid(self._grid.x, self._grid.y, around * around, around)
        self._rings = Rings(shapes, max(0.7, look.shapes["rings"]))
        self._still = np.zeros_like(away)
        self._dust = Particles(self._grid, look.seed, DUST)
        palette, self._ground = look.palette, None
        if art.opacity is None:
            palette = replace(palette, deep="#000000")  # no tone, no light
            self._ground = _ground(art, image)
            self._shade = 1 - 0.55 * np.exp(-((away / SHADOW) ** 2))[..., None]
        else:
            palette = replace(palette, deep=_deep(palette.deep, art.ground_lightness()))
        self._table = colour_table(palette)
        noise = np.random.default_rng(9).uniform(-0.5, 0.5, (*work[::-1], 1))
        self._dither = noise.astype(np.float32)
        random = np.random.default_rng([look.seed, 12])
        self._paths = random.uniform(0, 2 * np.pi, (BLOBS, 2))

    def frame(self, i: int) -> Rgb:
        drive = self._drive
        tone = self._rings.draw(self._still, drive, i)
        tone += self._dust.draw(drive, i, self._look.character.pace) * np.float32(self._amount)
        tone *= np.float32(0.9 * self._look.character.light)
        hue = 0.5 * float(drive.progress[i]) + 0.03 * float(drive.travel[i]) + self._look.hue
        if self._ground is None:
            tone += self._blobs(i)
            colour = coloured(self._table, tone, self._grid.y * 0.12 + np.float32(hue % 1))
        else:
            tone *= np.float32(1.5)
            light = coloured(self._table, tone, float(hue % 1))
            colour = self._moved_ground(i)
            colour *= self._shade
            colour += light * (1 - colour * np.float32(1 / 255))
        colour *= np.float32(drive.light[i])
        colour += self._dither
        picture = enlarged(to_bytes(np.clip(colour, 0, 255)), self._art.frame)
        return self._art.laid_on(picture)

    def _moved_ground(self, i: int) -> Floats:
        """(h, w, 3) the blurred colours: beats bring them nearer, bass and full sections light
        them."""
        drive, ground = self._drive, self._ground
        assert ground is not None
        travel = float(drive.travel[i]) * self._look.character.pace
        zoom = 1.25 + (0.12 * float(drive.pulse[i]) + 0.1 * float(drive.bass[i])) * self._amount
        rows, columns = ground.shape[:2]
        turn = 25 * np.sin(travel * 0.7) * self._amount
        matrix = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), turn, zoom)
        matrix[:, 2] += (
            0.08
            * min(rows, columns)
            * self._amount
            * np.array([np.sin(travel * 1.9), np.cos(travel * 1.6)])
        )
        moved = cv2.warpAffine(
            ground, matrix, (columns, rows), None, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101
        )
        gain = 0.28 + 0.22 * float(drive.openness[i]) + 0.15 * float(drive.energy[i])
        gain += 0.18 * float(drive.pulse[i]) * self._look.character.reaction
        out = resize(np.asarray(moved, np.float32), self._work, smooth=True)
        return np.asarray(np.maximum(out, 0) * np.float32(gain), np.float32)

    def _blobs(self, i: int) -> Floats:
        """(h, w) wandering lights; far from them there is the ground alone."""
        drive, grid = self._drive, self._grid
        travel = float(drive.travel[i]) * self._look.character.pace * self._amount
        tone = np.zeros_like(grid.x)
        reach = grid.far
        for k, (a, b) in enumerate(self._paths.tolist()):
            x = 0.6 * reach * np.sin(a + travel * (1.1 + 0.3 * k))
            y = 0.6 * reach * np.sin(b + travel * (1.4 - 0.2 * k))
            level = 0.10 + 0.10 * float(drive.bands[i, 2 * k]) + 0.10 * float(drive.openness[i])
            away = (grid.x - np.float32(x)) ** 2 + (grid.y - np.float32(y)) ** 2
            tone += np.float32(level) * np.exp(away * np.float32(-3.0))
        return tone


def _ground(art: Artwork, image: Rgb) -> Floats:
    """(h, w, 3) the artwork's colours beyond its edges, mirrored and blurred, GROUND_STEP times
    smaller than the frame."""
    size = (max(4, art.frame[0] // GROUND_STEP), max(4, art.frame[1] // GROUND_STEP))
    box = tuple(value / GROUND_STEP for value in art.box)
    little = resize_rgb(image, (max(1, round(box[2])), max(1, round(box[3])))).astype(np.float32)
    return blur(mirrored(little, size), min(size) * 0.07)


def _deep(deep: str, lightness: float) -> str:
    """The palette's ground at that lightness; a pale one keeps a breath of its colour."""
    lab = to_oklab(parse_colour(deep))
    tinted = lab[1:] * (0.6 if lightness == PALE else 1.0)
    return format_colour(from_oklab(np.array([lightness, *tinted])))
