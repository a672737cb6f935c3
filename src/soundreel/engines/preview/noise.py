"""Tileable noise: coloured Gaussian noise made in the frequency domain, so it has no seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TILE = 1024
"""Side of a texture in texels; lookups wrap."""


def noise_texture(
    rng: np.random.Generator, low: float, high: float, slope: float, channels: int = 2
) -> NDArray[np.float32]:
    """(TILE, TILE, channels) float32, mean 0, deviation 1.

    low, high: band of spatial frequencies in cycles per tile; slope: amplitude falls as f**-slope.
    """
    layers = [_layer(rng, low, high, slope) for _ in range(channels)]
    return np.ascontiguousarray(np.dstack(layers), dtype=np.float32)


def _layer(rng: np.random.Generator, low: float, high: float, slope: float) -> NDArray[np.floating]:
    fy = np.fft.fftfreq(TILE)[:, None] * TILE
    fx = np.fft.rfftfreq(TILE)[None, :] * TILE
    radius = np.hypot(fx, fy)
    band = (radius >= low) & (radius <= high)
    amplitude = np.where(band, np.maximum(radius, 1.0) ** -slope, 0.0)
    phase = rng.uniform(0, 2 * np.pi, radius.shape)
    field = np.fft.irfft2(amplitude * np.exp(1j * phase), s=(TILE, TILE))
    return np.asarray(field / field.std())
