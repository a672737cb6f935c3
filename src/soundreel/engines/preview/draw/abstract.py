"""The picture without an image: folds of light from the sound, shapes in front, all in one
palette."""

from __future__ import annotations

import numpy as np

from soundreel.engines.preview.canvas.finish import Finisher
from soundreel.engines.preview.canvas.grid import working_size
from soundreel.engines.preview.canvas.ops import Floats
from soundreel.engines.preview.draw.field import FoldField, Folds
from soundreel.engines.preview.draw.layers import Particles, Rings, Waves
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.look.palettes import colour_table, coloured
from soundreel.types import Rgb

PARTICLES = 420


class AbstractScene:
    """Frame i is a pure function of the drive, the composition and i."""

    def __init__(self, width: int, height: int, drive: Drive, look: Composition) -> None:
        work = working_size(width, height)
        self._drive, self._look = drive, look
        self._field = FoldField(work, look)
        grid = self._field.grid
        tunnel = look.shapes["tunnel"] > 0
        self._rings = Rings(grid, look.shapes["rings"], deep=tunnel)
        self._waves = Waves(grid, look.seed) if look.shapes["waves"] > 0 else None
        dust = look.shapes["particles"]
        self._particles = Particles(grid, look.seed, PARTICLES) if dust > 0 else None
        self._table = colour_table(look.palette)
        self._vignette = np.asarray(1 / (1 + 0.55 * grid.radius_squared), dtype=np.float32)
        self._finisher = Finisher(work, (width, height))

    def frame(self, i: int) -> Rgb:
        folds = self._field.at(self._drive, i)
        tone = self._tone(i, folds)
        colour = self._colour(i, tone, folds)
        bloom = 0.35 * self._look.character.bloom
        return self._finisher.finish(colour, bloom)

    def _tone(self, i: int, folds: Folds) -> Floats:
        """All light, before colour: the eye adapts to long loud stretches."""
        drive, look = self._drive, self._look
        tone = self._field.lit(folds, drive, i)
        highs = float(drive.highs[i]) * look.character.reaction
        tone += self._field.filaments(folds, drive, i) * np.float32(0.02 + 0.5 * highs**1.5)
        tone *= np.float32(0.35 + 0.65 * max(look.shapes["flow"], look.shapes["tunnel"]))
        tone += self._rings.draw(folds.warp_x, drive, i)
        if self._waves is not None:
            tone += self._waves.draw(drive, i) * np.float32(look.shapes["waves"])
        if self._particles is not None:
            dust = self._particles.draw(drive, i, look.character.pace)
            tone += dust * np.float32(look.shapes["particles"])
        exposure = look.character.light * float(drive.light[i]) * 1.5 / (0.8 + 0.6 * drive.swell[i])
        tone *= self._vignette * np.float32(exposure)
        return tone

    def _colour(self, i: int, tone: Floats, folds: Folds) -> Floats:
        """Place and spectrum choose the hue: mids turn it, sections turn it further."""
        drive = self._drive
        hue = self._look.hue + 0.35 * float(drive.progress[i]) + 0.10 * float(drive.mids[i])
        hue += 0.30 * (float(drive.tone[i]) - 0.4) + 0.16 * float(drive.openness[i])
        hues = folds.warp_y * 0.10 + folds.height * 0.02
        return coloured(self._table, tone, hues + np.float32(hue % 1))
