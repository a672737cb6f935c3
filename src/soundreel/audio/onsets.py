"""Where new sound begins: spectral flux between blocks of about 10 ms that lie inside the frames.

No block crosses a frame's edge and no window fades its ends, so a click on the first or the last
sample of a frame raises the flux of that frame and of no other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 60.0, 16000.0

FLOOR = 1e-7
"""Power (70 dB below full scale) under which a band counts as silent."""

MEMORY = 3
"""A block is compared with the loudest of this many before it: slow bass waves are not onsets."""

PREEMPHASIS = 0.97
"""Takes the bass down, whose sudden block edges would look like treble."""

LEAST_RISE = 0.3
"""A rise of log10 power by less than this (3 dB) in a band is taken for noise."""

FULL_RISE = 0.4
"""Onsets of a calm sound are measured against at least this, so that noise does not reach 1."""

FLOOR_S = 0.5
"""The running floor of the flux is its mean over this many seconds to either side."""


@dataclass(frozen=True, slots=True)
class FluxState:
    """What the next call needs: log powers of the last `MEMORY` blocks, and the last sample."""

    powers: NDArray[np.float32]
    sample: np.float32


SILENCE = FluxState(np.zeros((MEMORY, NUM_BANDS), np.float32), np.float32(0))


def spectral_flux(
    samples: NDArray[np.float32],
    edges: NDArray[np.int64],
    longest: int,
    rate: int,
    state: FluxState,
) -> tuple[NDArray[np.float32], FluxState]:
    """Mean rise of the log band powers in each block, and the state for the next call.

    edges: borders of the blocks within `samples`.  longest: samples that a block may have.
    state: `SILENCE` at the start.
    """
    if not len(samples):
        return np.zeros(len(edges) - 1, np.float32), state
    before = np.append(state.sample, samples[:-1])
    powers = _log_powers(samples - np.float32(PREEMPHASIS) * before, edges, longest, rate)
    history = np.concatenate([state.powers, powers])
    loudest = np.max([history[i : i + len(powers)] for i in range(MEMORY)], axis=0)
    loudest = np.maximum(loudest, np.pad(loudest, ((0, 0), (1, 1)), mode="edge")[:, 2:])
    loudest = np.maximum(loudest, np.pad(loudest, ((0, 0), (1, 1)), mode="edge")[:, :-2])
    flux: NDArray[np.float32] = np.maximum(powers - loudest - LEAST_RISE, 0).mean(axis=1)
    return flux, FluxState(history[-MEMORY:], samples[-1])


def normalise_onsets(flux: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """0..1: the running floor is taken off, strong onsets reach 1, silence stays exactly 0.

    rate: blocks a second.
    """
    clear = np.maximum(flux - _running_mean(flux, round(FLOOR_S * rate)), 0)
    clear = _gather_attacks(clear)
    found = clear[clear > 0]
    if not found.size:
        return np.zeros_like(flux)
    full = max(FULL_RISE, float(np.percentile(found, 95, method="higher")))
    return np.minimum(clear / full, 1).astype(np.float32)


def _running_mean(values: NDArray[np.float32], reach: int) -> NDArray[np.float64]:
    total = np.append(0.0, np.cumsum(values, dtype=np.float64))
    index = np.arange(len(values))
    begin, end = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    mean: NDArray[np.float64] = (total[end] - total[begin]) / (end - begin)
    return mean


def _gather_attacks(rise: NDArray[np.float64]) -> NDArray[np.float64]:
    """An attack that is cut by the edge of a block belongs to the block in which it begins."""
    after = np.append(rise[1:], 0)
    before = np.append(0, rise[:-1])
    first = (rise > 0) & (before < rise / 4) & (after < 2 * rise)
    moved = np.where(first, after, 0)
    gathered: NDArray[np.float64] = rise + moved - np.append(0, moved[:-1])
    return gathered


def _log_powers(
    samples: NDArray[np.float32], edges: NDArray[np.int64], longest: int, rate: int
) -> NDArray[np.float32]:
    """(blocks, NUM_BANDS): log10(1 + power / FLOOR) from a zero-padded FFT of each block."""
    rows = cut(samples, edges, longest)
    size = 1 << max(6, math.ceil(math.log2(longest)))
    power = np.abs(np.fft.rfft(rows, size)) ** 2
    power *= 2 / (size * np.maximum(np.diff(edges), 1)[:, None])
    wanted = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), NUM_BANDS + 1)
    logs: NDArray[np.float32] = np.log10(1 + sum_bands(power, wanted * size / rate) / FLOOR)
    return logs.astype(np.float32)


def cut(
    samples: NDArray[np.float32], edges: NDArray[np.int64], longest: int
) -> NDArray[np.float32]:
    """(rows, longest): samples[edges[k]:edges[k + 1]], filled up with zeros."""
    lengths = np.diff(edges)
    columns = np.arange(longest)
    padded = np.append(samples, np.zeros(len(columns), np.float32))
    return np.where(columns < lengths[:, None], padded[edges[:-1, None] + columns], np.float32(0))


def sum_bands(power: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, bands): the power between neighbouring `places` (in FFT bins, fractions allowed)."""
    bins = np.arange(power.shape[1] + 1)
    total = np.concatenate([np.zeros((len(power), 1)), power.cumsum(axis=1)], axis=1)
    left = np.clip(np.floor(places + 0.5).astype(int), 0, len(bins) - 1)
    return np.diff(total[:, left], axis=1)
