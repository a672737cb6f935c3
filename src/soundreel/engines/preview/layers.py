"""The shapes, each as an amount of light ("tone") per pixel of the working picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.drive import Drive

Plane = NDArray[np.float32]
"""(h, w) float32."""

PROFILE = 2048
"""Samples of a radial profile."""

RING_LIFE_S = 2.2


@dataclass(frozen=True, slots=True)
class Grid:
    """The working picture: x, y in units of its smaller side, (0, 0) at the focus."""

    x: Plane
    y: Plane
    radius: Plane

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape[0], self.x.shape[1]

    @property
    def far(self) -> float:
        return float(self.radius.max())


def make_grid(width: int, height: int, centre: tuple[float, float]) -> Grid:
    unit = min(width, height)
    x = ((np.arange(width, dtype=np.float32) + 0.5) - width * centre[0]) / unit
    y = ((np.arange(height, dtype=np.float32) + 0.5) - height * centre[1]) / unit
    gx, gy = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return Grid(gx, gy, np.hypot(gx, gy))


def rings(grid: Grid, wobble: Plane, drive: Drive, i: int, weight: float) -> Plane:
    """An orb (bass), eight rings for eight bands, and a wave front for every strong onset."""
    far = grid.far * 1.15
    rho = np.linspace(0, far, PROFILE, dtype=np.float32)
    profile = _orb(rho, drive, i) * (0.35 + 0.65 * weight)
    profile += _fronts(rho, drive, i, far)
    if weight > 0:
        profile += weight * _spectrum(rho, drive, i)
    where = cv2.scaleAdd(wobble, 0.02 + 0.05 * float(drive.bass[i]), grid.radius)
    where *= (PROFILE - 1) / far
    row = np.ascontiguousarray(profile[None], dtype=np.float32)
    return cv2.remap(row, where, np.zeros_like(where), cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)


def _orb(rho: Plane, drive: Drive, i: int) -> Plane:
    size = 0.07 + 0.07 * drive.bass[i] + 0.03 * drive.pulse[i] + 0.03 * drive.swell[i]
    light = 0.10 + 0.45 * drive.energy[i] + 0.8 * drive.flash[i]
    core = np.exp(-((rho / size) ** 2))
    halo = 1 / (1 + (rho / (size * 2.2)) ** 2) ** 1.5
    return (light * (0.7 * core + 0.5 * halo)).astype(np.float32)


def _spectrum(rho: Plane, drive: Drive, i: int) -> Plane:
    out = np.zeros_like(rho)
    scale = 1 + 0.06 * drive.pulse[i] + 0.25 * drive.openness[i]
    for k, level in enumerate(drive.bands[i].tolist()):
        radius = (0.17 + 0.055 * k) * scale
        width = 0.0035 + 0.008 * level
        line = np.exp(-(((rho - radius) / width) ** 2))
        glow = np.exp(-np.abs(rho - radius) / (width * 5))
        out += (level**1.3) * (0.75 * line + 0.25 * glow) + 0.02 * line
    return out


def _fronts(rho: Plane, drive: Drive, i: int, far: float) -> Plane:
    out = np.zeros_like(rho)
    first = np.searchsorted(drive.hits, i - RING_LIFE_S * drive.fps)
    last = np.searchsorted(drive.hits, i, side="right")
    for hit, strength in zip(drive.hits[first:last], drive.strengths[first:last], strict=True):
        age = (i - int(hit)) / drive.fps
        radius = 0.1 + far * (1 - np.exp(-age * 0.9))
        width = 0.006 + 0.03 * age
        crest = np.exp(-(((rho - radius) / width) ** 2))
        wake = np.where(rho < radius, np.exp((rho - radius) / (width * 6)), 0)
        out += strength * np.exp(-age * 2.2) * (0.9 * crest + 0.35 * wake)
    return out.astype(np.float32)


def waves(grid: Grid, drive: Drive, i: int, seed: int) -> Plane:
    """Six glowing strings; the bands bend them, loudness lights them."""
    rng = np.random.default_rng([seed, 5])
    x = grid.x[0]
    out = np.zeros(grid.shape, dtype=np.float32)
    reach = 1 / (0.15 + 2.2 * x * x)
    for k in range(6):
        level = float(drive.bands[i, k + 1])
        frequency, speed = rng.uniform(2.5, 4.5) * (1 + 0.45 * k), rng.uniform(1.5, 3.0)
        phase = rng.uniform(0, 6.28) + speed * drive.travel[i]
        sway = 0.05 * np.sin(1.3 * x + 0.4 * phase + k)
        swing = (0.015 + 0.10 * level) * np.minimum(reach / 5, 1)
        curve = sway + swing * np.sin(2 * frequency * x + phase) * np.cos(1.1 * x * k + 0.5 * phase)
        width = 0.004 + 0.006 * level
        distance = (grid.y - curve.astype(np.float32)[None]) * np.float32(1 / width)
        np.multiply(distance, distance, out=distance)
        distance += 1
        out += (0.10 + 0.75 * level) / distance
    return out


class Particles:
    """Points of light that fly past: each belongs to a band and twinkles with it."""

    def __init__(self, seed: int, count: int = 420) -> None:
        rng = np.random.default_rng([seed, 6])
        self._x = rng.uniform(-1, 1, count)
        self._y = rng.uniform(-1, 1, count)
        self._z = rng.uniform(0, 1, count)
        self._band = rng.integers(2, 8, count)
        self._size = rng.uniform(0.6, 1.4, count)

    def draw(self, grid: Grid, drive: Drive, i: int, weight: float) -> Plane:
        depth = np.mod(self._z - drive.travel[i] * 0.11, 1.0) * 0.95 + 0.05
        unit = min(grid.shape)
        px = self._x * 0.32 / depth * unit - grid.x[0, 0] * unit
        py = self._y * 0.48 / depth * unit - grid.y[0, 0] * unit
        fade = np.minimum(1, (1 - depth) * 5) * np.clip((depth - 0.05) * 8, 0, 1)
        level = 0.25 + 1.6 * drive.bands[i, self._band] * (0.4 + 0.6 * drive.energy[i])
        bright = fade * level * weight * (0.35 + 0.65 * drive.openness[i])
        sigma = self._size * (0.55 + 0.16 / depth) * unit / 416
        out = np.zeros(grid.shape, dtype=np.float32)
        for reach, low, high in ((2, 0, 0.9), (4, 0.9, 1.8), (9, 1.8, 99)):
            pick = (sigma >= low) & (sigma < high)
            _splat(out, px[pick], py[pick], sigma[pick], bright[pick], reach)
        return out


def _splat(
    out: Plane,
    px: NDArray[np.float64],
    py: NDArray[np.float64],
    sigma: NDArray[np.float64],
    bright: NDArray[np.float64],
    reach: int,
) -> None:
    """Add Gaussian dots, cut at `reach` pixels; larger ones spread the same light, less its
    square root, so that near ones are soft and not blinding."""
    height, width = out.shape
    offsets = np.arange(-reach, reach + 1)
    cx, cy = np.floor(px).astype(np.int64), np.floor(py).astype(np.int64)
    xs, ys = cx[:, None] + offsets, cy[:, None] + offsets
    wx = np.exp(-((xs - px[:, None]) ** 2) / (2 * sigma[:, None] ** 2)) * ((xs >= 0) & (xs < width))
    wy = np.exp(-((ys - py[:, None]) ** 2) / (2 * sigma[:, None] ** 2)) * (
        (ys >= 0) & (ys < height)
    )
    amount = (bright / np.maximum(sigma, 0.7))[:, None, None] * wy[:, :, None] * wx[:, None, :]
    index = np.clip(ys, 0, height - 1)[:, :, None] * width + np.clip(xs, 0, width - 1)[:, None, :]
    np.add.at(out.reshape(-1), index.ravel(), amount.ravel().astype(np.float32))
