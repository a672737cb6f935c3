"""The ground of the abstract picture: folds of a domain-warped field, as a lit relief.

Domain warping: noise looked up at places that other noise has displaced (Inigo Quilez,
"Domain warping", 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundreel.engines.preview.composition import Composition
from soundreel.engines.preview.drive import Drive
from soundreel.engines.preview.grid import Grid, make_grid
from soundreel.engines.preview.noise import TILE, noise_texture
from soundreel.engines.preview.ops import Floats, blur, resize, slopes, tiled

TEXELS = 400.0
"""Noise texels along the frame's smaller side."""

TUNNEL_TURNS = 1
"""Whole tiles round the tunnel: its seam closes."""


LINES = 3.0
"""Contour lines in one deviation of the relief."""


@dataclass(frozen=True, slots=True)
class Folds:
    """warp: (h, w, 2) displacement in its deviations. height, grain: (h, w), deviation 1."""

    warp: Floats
    height: Floats
    grain: Floats


class FoldField:
    def __init__(self, size: tuple[int, int], look: Composition) -> None:
        self._look = look
        self._tunnel = look.shapes["tunnel"] > 0
        self._grid = make_grid(size, look.centre)
        coarse = make_grid((max(2, size[0] // 2), max(2, size[1] // 2)), look.centre)
        rng = np.random.default_rng([look.seed, 2])
        self._warp = noise_texture(rng, 1, 5, 1.6)
        self._folds = noise_texture(rng, 2, 15, 1.5)
        self._coarse_base = _positions(coarse, self._tunnel, look.zoom)
        self._base = _positions(self._grid, self._tunnel, look.zoom)
        self._towards_light = _towards_focus(self._grid)
        self._mouth = _tunnel_mouth(self._grid) if self._tunnel else None

    @property
    def grid(self) -> Grid:
        return self._grid

    def at(self, drive: Drive, i: int) -> Folds:
        """The field at frame i: it flows by `travel`, bass folds it deeper, beats draw it near."""
        travel = float(drive.travel[i]) * self._look.character.pace
        warp = self._displacement(travel)
        zoom = 1 - 0.05 * float(drive.pulse[i]) - 0.14 * float(drive.openness[i])
        depth = 44 + 34 * float(drive.bass[i]) * self._look.character.reaction
        where = self._base * np.float32(zoom) + warp * np.float32(depth)
        where += self._flow(travel)
        both = tiled(self._folds, where)
        return Folds(warp, both[..., 0], both[..., 1])

    def lit(self, folds: Folds, drive: Drive, i: int) -> Floats:
        """Light from the focus on the relief: it reaches as far as the sound is loud."""
        look = self._look
        scale = 0.055 * min(self._grid.size) * look.character.contrast
        dx, dy = slopes(folds.height, scale)
        to_x, to_y = self._towards_light
        steep = 1 / np.sqrt(dx * dx + dy * dy + 1)
        facing = np.maximum((dx * to_x + dy * to_y + np.float32(0.42)) * steep, 0)
        gloss = facing * facing
        gloss *= gloss
        gloss *= gloss
        energy, openness = float(drive.energy[i]), float(drive.openness[i])
        reach = 0.30 + 0.35 * openness + 0.16 * energy + 0.06 * float(drive.flash[i])
        fall = 1 / (1 + self._grid.radius_squared * np.float32(1 / reach**2))
        matt = (0.34 + 0.42 * energy) * look.character.reaction**0.5
        valley = np.clip(np.float32(0.55) + np.float32(0.3) * folds.height, 0.08, 1.2)
        shine = 0.25 + 0.45 * energy
        out = fall * (facing * valley * np.float32(matt) + gloss * np.float32(shine))
        out += np.float32(0.05 + 0.05 * openness) * valley
        if self._mouth is not None:
            out *= self._mouth
        return np.asarray(out, dtype=np.float32)

    def filaments(self, folds: Folds, drive: Drive, i: int) -> Floats:
        """Hair-thin contour lines of the relief, of even width: highs light them."""
        surface = blur(folds.height, 1.2) * np.float32(LINES)
        dx, dy = slopes(surface, 1.0)
        per_pixel = np.sqrt(dx * dx + dy * dy) + np.float32(1e-3)
        level = surface + np.float32(drive.travel[i] * 0.35 % 1)
        level -= np.floor(level)
        away = np.abs(level - np.float32(0.5)) / per_pixel
        bright = 1 / (1 + away * away * np.float32(1.6))
        # Where the relief is flat a line would be a blot; where it is steep, lines would merge.
        bright *= np.clip(per_pixel * np.float32(90 * LINES / 3) - 0.6, 0, 1)
        bright *= np.clip(np.float32(1.6) - per_pixel * np.float32(4), 0, 1)
        bright *= np.clip(folds.grain * np.float32(0.8), 0, 1)
        return np.asarray(bright, dtype=np.float32)

    def _displacement(self, travel: float) -> Floats:
        drift = np.array([np.cos(self._look.angle), np.sin(self._look.angle)]) * travel
        first = self._coarse_base * np.float32(0.7) + _wrapped(drift * 40)
        second = self._coarse_base * np.float32(0.9) + _wrapped(drift * -26)
        second += tiled(self._warp, first) * np.float32(40)
        return resize(tiled(self._warp, second), self._grid.size, smooth=True)

    def _flow(self, travel: float) -> Floats:
        if self._tunnel:
            return _wrapped(np.array([travel * 20, -travel * 260]))
        return _wrapped(
            np.array([-np.sin(self._look.angle), np.cos(self._look.angle)]) * travel * 46
        )


def _wrapped(offset: np.ndarray) -> Floats:
    """An offset within one tile: after an hour it is still exact in float32."""
    return np.asarray(np.mod(offset, TILE), dtype=np.float32)


def _positions(grid: Grid, tunnel: bool, zoom: float) -> Floats:
    """(h, w, 2) texels. A tunnel runs along the logarithm of the radius, so forms keep their
    shape; its angle goes round the tile a whole number of times."""
    if not tunnel:
        return np.dstack([grid.x, grid.y]) * np.float32(TEXELS / zoom)
    turn = TILE * TUNNEL_TURNS / (2 * np.pi)
    angle = np.arctan2(grid.y, grid.x) * np.float32(turn)
    depth = np.log(grid.radius + np.float32(0.02)) * np.float32(turn)
    return np.dstack([angle, depth]).astype(np.float32)


def _towards_focus(grid: Grid) -> tuple[Floats, Floats]:
    """Direction of the light at every pixel; near the focus it comes from the front."""
    length = np.sqrt(grid.radius_squared + np.float32(0.06))
    return -grid.x / length, -grid.y / length


def _tunnel_mouth(grid: Grid) -> Floats:
    """Dark at the far end, where forms would be smaller than pixels."""
    t = np.clip((grid.radius - 0.03) / 0.22, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
