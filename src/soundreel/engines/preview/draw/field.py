"""The ground of the abstract picture: folds of a domain-warped field, as a lit relief.

Domain warping: noise looked up at places that other noise has displaced (Inigo Quilez,
"Domain warping", 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.grid import Grid, make_grid
from soundreel.engines.preview.canvas.noise import noise_texture
from soundreel.engines.preview.canvas.ops import Floats, blur, resize, slopes, split, tiled
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.composition import Composition

FOLD_TILE, WARP_TILE = 1024, 512
"""Periods of the two noises, in texels."""

FOLD_TEXELS, WARP_TEXELS = 400.0, 160.0
"""Texels along the frame's smaller side."""

LINES = 2.6
"""Contour lines in one deviation of the relief."""


@dataclass(frozen=True, slots=True)
class Folds:
    """(h, w) each: the height of the relief (deviation 1), its slopes a pixel and their squares'
    sum, and the slow displacement it has (deviation 1)."""

    height: Floats
    slope_x: Floats
    slope_y: Floats
    steepness: Floats
    warp_x: Floats
    warp_y: Floats


class FoldField:
    def __init__(self, size: tuple[int, int], look: Composition) -> None:
        self._look = look
        self._grid = grid = make_grid(size, look.centre)
        coarse = make_grid((max(2, size[0] // 2), max(2, size[1] // 2)), look.centre)
        rng = np.random.default_rng([look.seed, 2])
        self._warp = noise_texture(rng, WARP_TILE, 1, 5, 1.6, channels=2)
        self._folds = noise_texture(rng, FOLD_TILE, 2, 15, 1.5, channels=1)
        self._warp_base = _flat(coarse, WARP_TEXELS / look.zoom)
        self._tunnel = look.shapes["tunnel"] > 0
        self._base = _tunnel(grid) if self._tunnel else _flat(grid, FOLD_TEXELS / look.zoom)
        self._towards_light = _towards_focus(grid)
        self._mouth = _tunnel_mouth(grid) if self._tunnel else None

    @property
    def grid(self) -> Grid:
        return self._grid

    def at(self, drive: Drive, i: int) -> Folds:
        """The field at frame i: it flows by `travel`, bass folds it deeper, beats draw it near."""
        travel = float(drive.travel[i]) * self._look.character.pace
        warp_x, warp_y = self._displacement(travel)
        closer = 0.05 * float(drive.pulse[i]) + 0.14 * float(drive.openness[i])
        depth = np.float32(44 + 24 * float(drive.bass[i]) ** 2 * self._look.character.reaction)
        scale = np.float32(1 if self._tunnel else 1 - closer)
        flow = self._flow(travel, closer)
        x = warp_x * depth + self._base[0] * scale + flow[0]
        y = warp_y * depth + self._base[1] * scale + flow[1]
        height = blur(tiled(self._folds, x, y), 0.8)  # lookups are exact to 1/32 texel only
        dx, dy = slopes(height, 1.0)
        return Folds(height, dx, dy, dx * dx + dy * dy, warp_x, warp_y)

    def lit(self, folds: Folds, drive: Drive, i: int) -> Floats:
        """Light from the focus on the relief: it reaches as far as the sound is loud."""
        look = self._look
        relief = 0.055 * self._grid.unit * look.character.contrast
        steep = folds.steepness * np.float32(relief**2)
        steep += 1
        facing = folds.slope_x * self._towards_light[0]
        facing += folds.slope_y * self._towards_light[1]
        facing *= np.float32(relief)
        facing += 0.42
        facing /= np.sqrt(steep, out=steep)
        np.maximum(facing, 0, out=facing)
        gloss = facing * facing
        gloss *= gloss
        gloss *= gloss
        glow, openness = float(drive.glow[i]), float(drive.openness[i])
        reach = 0.30 + 0.35 * openness + 0.14 * glow + 0.06 * float(drive.flash[i])
        fall = self._grid.radius_squared * np.float32(1 / reach**2)
        fall += 1
        valley = np.clip(0.55 + 0.3 * folds.height, 0.08, 1.2)
        facing *= valley * np.float32((0.52 + 0.34 * glow) * look.character.reaction**0.5)
        gloss *= np.float32(0.42 + 0.34 * glow)
        out = (facing + gloss) / fall
        valley *= np.float32(0.05 + 0.05 * openness)
        out += valley
        if self._mouth is not None:
            out *= self._mouth
        return np.asarray(out)

    def filaments(self, folds: Folds, drive: Drive, i: int) -> Floats:
        """Hair-thin contour lines of the relief, of even width: highs light them."""
        per_pixel = np.sqrt(folds.steepness)
        per_pixel *= LINES
        level = folds.height * LINES + np.float32(drive.travel[i] * 0.35 % 1)
        level -= np.floor(level)
        level -= 0.5
        level /= per_pixel + 1e-3
        level *= level
        level *= 1.6
        level += 1
        # Where the relief is flat a line would be a blot; where it is steep, lines would merge.
        bright = np.clip(per_pixel * 80 - 0.7, 0, 1)
        bright *= np.clip(1.6 - per_pixel * 4, 0, 1)
        bright *= np.clip(folds.warp_y * 1.2 - 0.35, 0, 1)
        bright /= level
        if self._mouth is not None:
            bright *= self._mouth
        return np.asarray(bright)

    def _displacement(self, travel: float) -> tuple[Floats, Floats]:
        """Noise displaced by noise, made at half the working size: it has no fine detail."""
        drift = np.array([np.cos(self._look.angle), np.sin(self._look.angle)]) * travel
        there, back = _wrapped(drift * 20, WARP_TILE), _wrapped(drift * -13, WARP_TILE)
        base_x, base_y = self._warp_base
        first = tiled(self._warp, base_x + there[0], base_y + there[1]) * 20
        bent_x, bent_y = split(first)
        bent_x += base_x * 1.25 + back[0]
        bent_y += base_y * 1.25 + back[1]
        x, y = split(tiled(self._warp, bent_x, bent_y))
        size = self._grid.size
        return resize(x, size, smooth=True), resize(y, size, smooth=True)

    def _flow(self, travel: float, closer: float) -> Floats:
        if self._tunnel:
            return _wrapped(np.array([travel * 20, -travel * 130 - 120 * closer]), FOLD_TILE)
        across = np.array([-np.sin(self._look.angle), np.cos(self._look.angle)])
        return _wrapped(across * travel * 60, FOLD_TILE)


def _wrapped(offset: NDArray[np.float64], tile: int) -> Floats:
    """An offset within one tile: after an hour it is still exact in float32."""
    return np.asarray(np.mod(offset, tile), dtype=np.float32)


def _flat(grid: Grid, texels: float) -> tuple[Floats, Floats]:
    """Places in texels, from a little above 0, so that displaced ones still lie on the texture."""
    x, y = (plane * np.float32(texels) for plane in (grid.x, grid.y))
    ahead = np.float32(texels * 0.5)
    return x - x.min() + ahead, y - y.min() + ahead


def _tunnel(grid: Grid) -> tuple[Floats, Floats]:
    """Places in texels: round the tile exactly once, so that no seam shows, and along the logarithm
    of the radius, drawn out as walls look in motion."""
    turn = np.float32(FOLD_TILE / (2 * np.pi))
    angle = np.arctan2(grid.y, grid.x) * turn + FOLD_TILE
    depth = np.log(grid.radius + 0.02) * turn * 0.45
    return angle, depth + FOLD_TILE


def _towards_focus(grid: Grid) -> tuple[Floats, Floats]:
    """Direction of the light at every pixel; near the focus it comes from the front."""
    length = np.sqrt(grid.radius_squared + 0.06)
    return -grid.x / length, -grid.y / length


def _tunnel_mouth(grid: Grid) -> Floats:
    """Dark at the far end, where forms would be smaller than pixels."""
    return np.asarray(smoothstep((grid.radius - 0.03) / 0.22), dtype=np.float32)
