"""Tileable noise: coloured Gaussian noise made in the frequency domain, so it has no seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PAD = 1.0
"""How much of a tile is repeated beyond its end: most lookups then need no wrapping, which is
several times slower."""


def noise_texture(
    rng: np.random.Generator, tile: int, low: float, high: float, slope: float, channels: int
) -> NDArray[np.float32]:
    """Noise with period `tile` texels, mean 0, deviation 1, larger by PAD each way: (h, w), or
    (h, w, channels) where there are more than one.

    low, high: band of spatial frequencies in cycles per tile; slope: amplitude falls as f**-slope.
    """
    pad = (0, round(tile * PAD))
    layers = [
        np.pad(_layer(rng, tile, low, high, slope), (pad, pad), mode="wrap")
        for _ in range(channels)
    ]
    return np.squeeze(np.dstack(layers)).astype(np.float32)


def _layer(
    rng: np.random.Generator, tile: int, low: float, high: float, slope: float
) -> NDArray[np.floating]:
    fy = np.fft.fftfreq(tile)[:, None] * tile
    fx = np.fft.rfftfreq(tile)[None, :] * tile
    radius = np.hypot(fx, fy)
    band = (radius >= low) & (radius <= high)
    amplitude = np.where(band, np.maximum(radius, 1.0) ** -slope, 0.0)
    phase = rng.uniform(0, 2 * np.pi, radius.shape)
    field = np.fft.irfft2(amplitude * np.exp(1j * phase), s=(tile, tile))
    return np.asarray(field / field.std())
