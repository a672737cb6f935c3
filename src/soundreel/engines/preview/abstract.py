"""The picture without an image: folds of light, domain-warped, with the shapes in front."""

from __future__ import annotations

import cv2
import numpy as np

from soundreel.engines.preview import layers
from soundreel.engines.preview.composition import Composition
from soundreel.engines.preview.drive import Drive
from soundreel.engines.preview.finish import Finisher, add_bloom
from soundreel.engines.preview.layers import Grid, Plane, make_grid
from soundreel.engines.preview.noise import TILE, noise_texture
from soundreel.engines.preview.palettes import FULL_TONE, HUES, TONES, colour_table
from soundreel.types import Rgb

TEXELS = 430.0
"""Noise texels along the frame's smaller side."""

WORK_PIXELS = (120_000, 260_000, 700_000)
"""Least, usual and most pixels of the working picture (a quarter of the frame where between)."""


class AbstractScene:
    """Frame i is a pure function of the drive, the composition and i."""

    def __init__(self, width: int, height: int, drive: Drive, composition: Composition) -> None:
        self._drive = drive
        self._look = composition
        self._finisher = Finisher(width, height)
        work = working_size(width, height)
        self._grid = make_grid(*work, composition.centre)
        self._coarse = make_grid(max(2, work[0] // 2), max(2, work[1] // 2), composition.centre)
        rng = np.random.default_rng([composition.seed, 2])
        self._warp = noise_texture(rng, 1, 9, 1.9)
        self._folds = noise_texture(rng, 2, 26, 1.75)
        self._table = colour_table(composition.palette)
        self._particles = layers.Particles(composition.seed)
        tunnel = composition.shapes["tunnel"] > 0
        self._base = _base_map(self._grid, tunnel, composition.zoom)
        self._coarse_base = _base_map(self._coarse, tunnel, composition.zoom)
        self._vignette = 1 / (1 + 0.9 * self._grid.radius**2).astype(np.float32)

    def frame(self, i: int) -> Rgb:
        drive, look = self._drive, self._look
        warp = self._warp_field(i)
        height_map, detail = self._fold_field(i, warp)
        tone = self._lit(i, height_map, detail)
        tone += layers.rings(self._grid, warp[..., 0], drive, i, look.shapes["rings"])
        if look.shapes["waves"] > 0:
            tone += look.shapes["waves"] * layers.waves(self._grid, drive, i, look.seed)
        if look.shapes["particles"] > 0:
            tone += self._particles.draw(self._grid, drive, i, look.shapes["particles"])
        tone *= self._vignette
        tone *= look.character.light * float(drive.light[i])
        colour = self._colour(i, tone, warp, height_map)
        bloom = look.character.bloom * (0.35 + 0.25 * float(drive.openness[i]))
        return self._finisher.finish(add_bloom(colour, bloom))

    def _warp_field(self, i: int) -> np.ndarray:
        """(h, w, 2) slow displacement in units of its deviation; bass swells it."""
        travel = self._drive.travel[i] * self._look.character.pace
        drift = np.array([np.cos(self._look.angle), np.sin(self._look.angle)])
        first = self._coarse_base * 0.55 + (drift * travel * 22).astype(np.float32)
        a = cv2.remap(self._warp, first, None, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
        second = self._coarse_base * 0.8 + a * np.float32(46) + np.float32(travel * -13)
        b = cv2.remap(self._warp, second, None, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
        return cv2.resize(b, self._grid.shape[::-1], None, 0, 0, cv2.INTER_CUBIC)

    def _fold_field(self, i: int, warp: np.ndarray) -> tuple[Plane, Plane]:
        drive = self._drive
        travel = drive.travel[i] * self._look.character.pace
        zoom = 1 - 0.05 * float(drive.pulse[i]) - 0.10 * float(drive.openness[i])
        swell = 62 + 30 * float(drive.bass[i]) * self._look.character.reaction
        where = self._base * np.float32(zoom) + warp * np.float32(swell)
        if self._look.shapes["tunnel"] > 0:
            where += np.array([travel * 12, -travel * 160], dtype=np.float32) % TILE
        else:
            where += np.float32(travel * 17 % TILE)
        both = cv2.remap(self._folds, where, None, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
        return both[..., 0], both[..., 1]

    def _lit(self, i: int, height_map: Plane, detail: Plane) -> Plane:
        """Relief under a moving light: folds catch it, valleys stay dark."""
        drive, look = self._drive, self._look
        relief = np.float32(0.16 * min(self._grid.shape) / 8)
        dx = cv2.Sobel(height_map, cv2.CV_32F, 1, 0, ksize=3, scale=relief / 4)
        dy = cv2.Sobel(height_map, cv2.CV_32F, 0, 1, ksize=3, scale=relief / 4)
        turn = look.angle + 0.5 * drive.travel[i] * 0.2
        steep = 1 / np.sqrt(dx * dx + dy * dy + 1)
        facing = (dx * np.float32(np.cos(turn)) + dy * np.float32(np.sin(turn)) + 0.55) * steep
        facing = np.maximum(facing, 0)
        gloss = facing * facing
        gloss *= gloss
        gloss *= gloss
        valley = np.clip(0.5 + 0.35 * height_map, 0.06, 1)
        energy, openness = float(drive.energy[i]), float(drive.openness[i])
        level = 0.10 + 0.28 * energy * look.character.reaction + 0.12 * openness
        shine = 0.06 + 0.5 * float(drive.highs[i]) * look.character.reaction
        lit = facing * valley * np.float32(level) + gloss * np.float32(shine)
        lit *= 1 + np.float32(0.5 * float(drive.highs[i])) * np.clip(detail, -1, 1)
        return np.asarray(lit * np.float32(1 + 0.35 * float(drive.flash[i])))

    def _colour(self, i: int, tone: Plane, warp: np.ndarray, height_map: Plane) -> np.ndarray:
        drive = self._drive
        hue = self._look.hue + 0.3 * float(drive.progress[i]) + 0.12 * float(drive.mids[i])
        hue += 0.25 * (float(drive.tone[i]) - 0.4)
        rows = (warp[..., 1] * 0.09 + height_map * 0.05 + np.float32(hue + 8)) * np.float32(HUES)
        columns = np.clip(tone * np.float32((TONES - 1) / FULL_TONE), 0, TONES - 1.01)
        return cv2.remap(self._table, columns, rows, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)


def working_size(width: int, height: int) -> tuple[int, int]:
    """Half the frame, but no less and no more than is worth it: (width, height)."""
    least, _, most = WORK_PIXELS
    area = width * height
    target = min(max(area / 4, min(area, least)), most)
    scale = (target / area) ** 0.5
    return max(2, round(width * scale)), max(2, round(height * scale))


def _base_map(grid: Grid, tunnel: bool, zoom: float) -> np.ndarray:
    """Texture coordinates of every pixel, in texels. A tunnel runs along the logarithm of the
    radius; its angle goes round the tile a whole number of times, so it closes."""
    if not tunnel:
        return np.dstack([grid.x, grid.y]) * np.float32(TEXELS / zoom)
    angle = np.arctan2(grid.y, grid.x) * np.float32(TILE / (2 * np.pi))
    depth = np.log(grid.radius + 0.03) * np.float32(TILE / (2 * np.pi))
    return np.dstack([angle, depth]).astype(np.float32)
