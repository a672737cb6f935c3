"""The shapes in front of the ground, each as an amount of light ("tone") per pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.grid import Grid
from soundreel.engines.preview.canvas.ops import Floats, held
from soundreel.engines.preview.drive.signals import Drive

PROFILE = 1024
"""Samples of a radial profile."""

RINGS = 9

FRONT_LIFE_S = 2.0
"""How long the wave front of an onset can be seen."""


class Rings:
    """An orb (bass), eight rings for eight bands, a wave front for every strong onset: one radial
    profile, bent a little by the ground's own displacement."""

    def __init__(self, grid: Grid, weight: float, *, deep: bool = False) -> None:
        """weight: 0 leaves the orb alone. deep: rings grow apart outwards, as in a tunnel."""
        self._grid = grid
        self._weight = weight
        self._deep = deep
        self._far = grid.far * 1.2
        self._rho = np.linspace(0, self._far, PROFILE, dtype=np.float32)
        self._samples = (PROFILE - 1) / self._far
        self._places = grid.radius * np.float32(self._samples)
        self._zeros = np.zeros_like(grid.radius)

    def draw(
        self, wobble: Floats, drive: Drive, i: int, centre: tuple[float, float] | None = None
    ) -> Floats:
        """centre: where the rings lie, on the grid; its focus if nothing is said."""
        profile = self._orb(drive, i) * np.float32(0.45 + 0.55 * self._weight)
        if self._weight > 0:
            profile += self._fronts(drive, i) * np.float32(0.3 + 0.7 * self._weight)
            profile += self._bands(drive, i) * np.float32(self._weight)
        bend = 0.022 + 0.022 * float(drive.bass[i])
        where = wobble * np.float32(bend * self._samples)
        where += self._places if centre is None else self._around(centre)
        return held(profile[None], where, self._zeros)

    def _around(self, centre: tuple[float, float]) -> Floats:
        x, y = self._grid.x - np.float32(centre[0]), self._grid.y - np.float32(centre[1])
        x *= x
        y *= y
        x += y
        np.sqrt(x, out=x)
        x *= np.float32(self._samples)
        return x

    def _orb(self, drive: Drive, i: int) -> Floats:
        size = 0.07 + 0.05 * drive.bass[i] ** 2 + 0.02 * drive.pulse[i] + 0.03 * drive.swell[i]
        light = 0.2 + 0.36 * drive.glow[i] + 0.3 * drive.flash[i]
        core = np.exp(-((self._rho / size) ** 2))
        halo = 1 / (1 + (self._rho / (size * 1.8)) ** 2) ** 1.5
        return np.asarray(light * (0.55 * core + 0.5 * halo), dtype=np.float32)

    def _bands(self, drive: Drive, i: int) -> Floats:
        """Rings run outwards through the spectrum, low inside: where a band sounds, they shine."""
        scale = 1 + 0.035 * float(drive.pulse[i]) + 0.35 * float(drive.openness[i])
        places = np.arange(float(RINGS)) + float(drive.travel[i] * 1.4 % 1) - 1
        levels = np.interp(places, np.arange(8), drive.bands[i], left=0, right=0)
        levels *= np.clip(np.minimum(places + 1, RINGS - 1 - places), 0, 1)
        away = np.abs(self._rho - self._radius(places, scale))
        width = (0.003 + 0.005 * levels)[:, None].astype(np.float32)
        lines = 0.9 * np.exp(-((away / width) ** 2)) + 0.12 * np.exp(-away / (width * 4))
        away = (self._rho - self._radius(np.arange(8.0), scale)) * (1 / 0.035)
        glows = 0.22 * np.exp(-away * away)
        return np.asarray(levels**1.8 @ lines + drive.bands[i] ** 2 @ glows, dtype=np.float32)

    def _radius(self, places: NDArray[np.float64], scale: float) -> Floats:
        """(n, 1)"""
        radius = 0.07 * 1.36**places if self._deep else 0.16 + 0.05 * places
        return np.asarray(radius[:, None] * scale, dtype=np.float32)

    def _fronts(self, drive: Drive, i: int) -> Floats:
        rho, out = self._rho, np.zeros_like(self._rho)
        first = np.searchsorted(drive.hits, i - FRONT_LIFE_S * drive.fps)
        last = np.searchsorted(drive.hits, i, side="right")
        for hit, strength in zip(drive.hits[first:last], drive.strengths[first:last], strict=True):
            age = (i - int(hit)) / drive.fps
            radius = 0.09 + self._far * (1 - np.exp(-age * 0.8))
            width = 0.005 + 0.02 * age
            crest = np.exp(-(((rho - radius) / width) ** 2))
            wake = np.where(rho < radius, np.exp((rho - radius) / (width * 7)), 0)
            out += strength * np.exp(-age * 2.6) * (0.9 * crest + min(0.25, age) * wake)
        return out.astype(np.float32)


class Waves:
    """Glowing strings across the frame: each band bends and lights one."""

    COUNT = 7
    REACH = 0.45
    """Beyond this height no string's light can be seen."""

    def __init__(self, grid: Grid, seed: int) -> None:
        self._grid = grid
        rng = np.random.default_rng([seed, 5])
        self._frequency = rng.uniform(4.0, 6.5, self.COUNT) * (1 + 0.42 * np.arange(self.COUNT))
        self._speed = rng.uniform(4.0, 7.0, self.COUNT) * rng.choice((-1, 1), self.COUNT)
        self._phase = rng.uniform(0, 2 * np.pi, self.COUNT)
        near = np.flatnonzero(np.abs(grid.y[:, 0]) < self.REACH)
        self._rows = slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 0)

    def draw(self, drive: Drive, i: int) -> Floats:
        out = np.zeros_like(self._grid.x)
        part, y = out[self._rows], self._grid.y[self._rows]
        for k in range(self.COUNT):
            level = min(1.0, float(drive.bands[i, k] + 0.25 * drive.flash[i]))
            curve = self._curve(k, level, float(drive.travel[i]))
            width = 0.0035 + 0.004 * level
            away = (y - curve[None]) * np.float32(1 / width)
            np.multiply(away, away, out=away)
            away += 1
            np.divide(np.float32(0.05 + 0.85 * level), away, out=away)
            part += away
        return out

    def _curve(self, k: int, level: float, travel: float) -> Floats:
        x = self._grid.x[0].astype(np.float64)
        phase = self._phase[k] + self._speed[k] * travel
        belly = 1 / (1 + 5.0 * x * x)
        sway = 0.035 * np.sin(2.1 * x + 0.35 * phase + k) + 0.012 * (k - self.COUNT / 2)
        swing = (0.006 + (0.17 - 0.013 * k) * level) * belly
        carrier = np.sin(self._frequency[k] * x + phase) * np.cos(1.7 * x - 0.4 * phase)
        return np.asarray(sway + swing * carrier, dtype=np.float32)


class Particles:
    """Points of light that fly past: each belongs to a band and twinkles with it."""

    def __init__(self, grid: Grid, seed: int, count: int) -> None:
        self._grid = grid
        rng = np.random.default_rng([seed, 6])
        reach = max(grid.size) / grid.unit
        self._x = rng.uniform(-0.75, 0.75, count) * (reach if grid.size[0] > grid.size[1] else 1)
        self._y = rng.uniform(-0.75, 0.75, count) * (reach if grid.size[1] > grid.size[0] else 1)
        self._z = rng.uniform(0, 1, count)
        self._band = rng.integers(2, 8, count)
        self._size = rng.uniform(0.6, 1.5, count)

    def draw(self, drive: Drive, i: int, pace: float) -> Floats:
        depth = 0.08 + 0.92 * np.mod(self._z - drive.travel[i] * pace * 0.2, 1.0)
        unit = self._grid.unit
        px = self._x * 0.4 / depth * unit - self._grid.x[0, 0] * unit
        py = self._y * 0.4 / depth * unit - self._grid.y[0, 0] * unit
        fade = np.clip((1 - depth) * 4, 0, 1) * np.clip((depth - 0.08) * 10, 0, 1)
        level = 0.18 + 1.5 * drive.bands[i, self._band] * (0.3 + 0.7 * drive.energy[i])
        bright = fade * level * (0.45 + 0.55 * drive.openness[i])
        sigma = self._size * (0.4 + 0.17 / depth) * unit / 416
        out = np.zeros_like(self._grid.x)
        bright = np.where(bright > 0.02, bright, 0.0)
        for reach, low, high in ((2, 0.0, 0.8), (4, 0.8, 1.6), (9, 1.6, np.inf)):
            pick = (sigma >= low) & (sigma < high) & (bright > 0)
            _add_dots(out, px[pick], py[pick], sigma[pick], bright[pick], reach)
        return out


def _add_dots(
    out: Floats,
    px: NDArray[np.float64],
    py: NDArray[np.float64],
    sigma: NDArray[np.float64],
    bright: NDArray[np.float64],
    reach: int,
) -> None:
    """Add Gaussian dots, cut at `reach` pixels. Larger ones are dimmer, so that near ones are soft
    and not blinding."""
    height, width = out.shape
    cx, wx = _weights(px, sigma, reach, width)
    cy, wy = _weights(py, sigma, reach, height)
    peak = bright / np.maximum(sigma, 0.8) ** 1.3
    amount = (peak[:, None] * wy)[:, :, None] * wx[:, None, :]
    index = cy[:, :, None] * width + cx[:, None, :]
    np.add.at(out.reshape(-1), index.ravel(), amount.ravel().astype(np.float32))


def _weights(
    at: NDArray[np.float64], sigma: NDArray[np.float64], reach: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pixels round each place and their share of light; none beyond the picture."""
    spread = np.minimum(sigma, reach / 2.4)[:, None]
    pixels = np.floor(at).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    weight = np.exp(-((pixels + 0.5 - at[:, None]) ** 2) / (2 * spread**2))
    inside = (pixels >= 0) & (pixels < count)
    return np.clip(pixels, 0, count - 1), weight * inside
