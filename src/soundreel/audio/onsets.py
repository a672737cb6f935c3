"""Where new sound begins: spectral flux between blocks of about 10 ms that lie inside the frames.

No block crosses a frame's edge and no window fades its ends, so a click on the first or the last
sample of a frame raises the flux of that frame and of no other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

NUM_BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 60.0, 16000.0

FLOOR = 1e-7
"""Power (70 dB below full scale) under which a band counts as silent."""

MEMORY = 3
"""A block is compared with the loudest of this many before it: slow bass waves are no onsets."""

LEAST_RISE = 0.02
"""Mean rise of log10 power that is taken for noise."""

FULL_RISE = 0.25
"""Onsets of a calm sound are measured against at least this, so that noise does not reach 1."""


def spectral_flux(
    samples: NDArray[np.float32],
    edges: NDArray[np.int64],
    rate: int,
    previous: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean rise of the log band powers in each block, and the state for the next call.

    previous: log powers of the last `MEMORY` blocks before these; empty at the start, which
    counts as silence.
    """
    powers = _log_powers(samples, edges, rate)
    if not previous.size:
        previous = np.zeros((MEMORY, NUM_BANDS), np.float32)
    history = np.concatenate([previous, powers])
    before = np.max([history[i : i + len(powers)] for i in range(MEMORY)], axis=0)
    flux: NDArray[np.float32] = np.maximum(powers - before, 0).mean(axis=1)
    return flux, history[-MEMORY:]


def normalise_onsets(flux: NDArray[np.float32]) -> NDArray[np.float32]:
    """0..1: the running floor is taken off, strong onsets reach 1, silence stays exactly 0."""
    clear = np.maximum(flux - LEAST_RISE, 0)
    found = clear[clear > 0]
    if not found.size:
        return np.zeros_like(flux)
    full = max(FULL_RISE, float(np.percentile(found, 95, method="higher")))
    return np.minimum(clear / full, 1).astype(np.float32)


def _log_powers(
    samples: NDArray[np.float32], edges: NDArray[np.int64], rate: int
) -> NDArray[np.float32]:
    """(blocks, NUM_BANDS): log10(1 + power / FLOOR)."""
    lengths = np.diff(edges)
    longest = int(lengths.max(initial=1))
    columns = np.arange(longest)
    padded = np.append(samples, np.zeros(longest, np.float32))
    rows = np.where(columns < lengths[:, None], padded[edges[:-1, None] + columns], 0)
    size = 1 << max(6, math.ceil(math.log2(longest)))
    power = np.abs(np.fft.rfft(rows, size)) ** 2
    power *= 2 / (size * np.maximum(lengths, 1)[:, None])
    top = min(HIGHEST_HZ, rate / 2)
    wanted = np.geomspace(LOWEST_HZ, top, NUM_BANDS + 1) * size / rate
    places = np.round(wanted).astype(int).clip(1, size // 2 + 1)
    total = np.concatenate([np.zeros((len(rows), 1)), power.cumsum(axis=1)], axis=1)
    summed = total[:, np.maximum(places[1:], places[:-1] + 1).clip(0, size // 2 + 1)]
    summed = summed - total[:, places[:-1]]
    logs: NDArray[np.float32] = np.log10(1 + summed / FLOOR).astype(np.float32)
    return logs
