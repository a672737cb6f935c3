"""A stretch of the wave that stands still from frame to frame, as on a triggered oscilloscope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOWEST_HZ, HIGHEST_HZ = 45.0, 1500.0
"""Tones that the trigger holds on to."""

STRONG = 0.45
"""The lowest tone of at least this share of the strongest one's amplitude is held on to: mostly the
fundamental."""

SUDDEN = 1.4
"""Where what a held stretch would leave out is so much louder than itself, it is not left out."""

BEFORE_S = 0.05
"""So much sound before the frame the trigger listens to."""


def triggered(samples: Floats, own: int, length: int, rate: int) -> Floats:
    """`length` samples of a frame whose own ones are the last `own`: about its loudest place, and
    such that the strongest tone rises through zero in their middle. May begin before the frame,
    never ends after it."""
    last = len(samples) - length
    free = _loudest(samples[-own:], length) + len(samples) - own if own > length else last
    start = _in_phase(samples, free, length, rate)
    shown, rest = (
        samples[start : start + length],
        samples[max(start + length, len(samples) - own) :],
    )
    if rest.size and np.abs(rest).max() > SUDDEN * np.abs(shown).max() + 1e-6:
        return samples[last:]
    return shown


def _loudest(frame: Floats, length: int) -> int:
    total = np.concatenate([[0.0], np.cumsum(frame.astype(np.float64) ** 2)])
    return int(np.argmax(total[length:] - total[:-length]))


def _in_phase(samples: Floats, wanted: int, length: int, rate: int) -> int:
    """The start nearest to the wanted one, at or before the last, with the tone rising mid-way."""
    count = len(samples)
    size = 1 << (count - 1).bit_length() + 1
    spectrum = np.fft.rfft(samples * np.hanning(count).astype(np.float32), size)
    first, end = (int(hz * size / rate) for hz in (LOWEST_HZ, HIGHEST_HZ))
    heights = np.abs(spectrum)
    inner = heights[first : end + 1]
    if inner.size < 3 or inner.max() < 1e-6:
        return wanted
    peaks = (inner[1:-1] >= inner[:-2]) & (inner[1:-1] > inner[2:])
    strong = np.flatnonzero(peaks & (inner[1:-1] > STRONG * inner.max()))
    if not strong.size:
        return wanted
    at = first + 1 + int(strong[0])
    turn = 2 * np.pi * _summit(heights, at) / size
    middle = (count - 1) / 2
    phase = np.angle(
        np.sum(samples * np.hanning(count) * np.exp(-1j * turn * (np.arange(count) - middle)))
    )
    period = 2 * np.pi / turn
    rising = middle + (-np.pi / 2 - phase) / turn - length / 2
    start = float(rising + period * round((wanted - rising) / period))
    while start > count - length:
        start -= period
    return max(0, round(start))


def _summit(heights: NDArray[np.floating], at: int) -> float:
    """The top of the parabola through a peak and its neighbours."""
    before, peak, after = (float(value) for value in heights[at - 1 : at + 2])
    bend = before - 2 * peak + after
    return at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
