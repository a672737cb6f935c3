"""Tempo and beats from an onset curve: autocorrelation, then dynamic programming.

The recurrence is that of D. Ellis, "Beat Tracking by Dynamic Programming", 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
PREFERRED_BPM, PREFERENCE_OCTAVES = 120.0, 1.0
"""Of two tempi that fit equally, the one nearer to this wins (log-normal weight)."""

TIGHTNESS = 100.0
"""How strongly beats keep the tempo (Ellis 2007)."""

LEAST_PULSE = 0.2
"""Autocorrelation at the tempo, below which there is no pulse."""


def track_beats(onset: NDArray[np.float32], rate: float) -> tuple[float | None, NDArray[np.int64]]:
    """(tempo in beats a minute, indices of the beats in `onset`), or (None, empty).

    onset: curve of `rate` values a second.
    """
    curve = _smooth(onset, rate)
    period = _period(curve, rate)
    if period is None:
        return None, np.zeros(0, np.int64)
    beats = _walk(curve, period)
    if len(beats) < 3:
        return None, np.zeros(0, np.int64)
    tempo = 60 * rate * (len(beats) - 1) / float(beats[-1] - beats[0])
    return tempo, beats


def _smooth(onset: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """Spread each onset over about 20 ms, so that small jitter still adds up."""
    sigma = 0.02 * rate
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    if len(onset) <= len(kernel):
        return onset.astype(np.float64)
    return np.convolve(onset, kernel, mode="same")


def _period(curve: NDArray[np.float64], rate: float) -> float | None:
    """Blocks between beats; None where the curve does not repeat."""
    longest = int(rate * 60 / SLOWEST_BPM) + 2
    shortest = int(rate * 60 / FASTEST_BPM)
    if len(curve) < 2 * longest or not curve.any():
        return None
    level = curve - curve.mean()
    size = 1 << (2 * len(level) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(level, size)) ** 2
    similar = np.fft.irfft(spectrum, size)[: longest + 1]
    similar /= similar[0]
    lags = np.arange(1, longest + 1)
    octaves = np.log2(60 * rate / lags / PREFERRED_BPM) / PREFERENCE_OCTAVES
    score = np.where(lags >= shortest, similar[1:] * np.exp(-0.5 * octaves**2), 0)
    best = int(score[:-1].argmax()) + 1
    if similar[best] < LEAST_PULSE:
        return None
    left, middle, right = similar[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return best + (0.5 * (left - right) / bend if bend < 0 else 0.0)


def _walk(curve: NDArray[np.float64], period: float) -> NDArray[np.int64]:
    """The chain of blocks with the most onset and the steadiest steps."""
    steps = np.arange(round(period / 2), round(period * 2) + 1)
    cost = -TIGHTNESS * np.log(steps / period) ** 2
    strength = curve / (curve.std() or 1.0)
    reach = int(steps[-1])
    total = np.concatenate([np.zeros(reach), strength])
    source = np.full(len(total), -1)
    for t in range(reach, len(total)):
        options = total[t - steps] + cost
        best = int(options.argmax())
        if options[best] > 0:
            total[t] += options[best]
            source[t] = t - steps[best]
    t = int(len(total) - 1 - total[::-1][: reach // 2].argmax())
    beats = []
    while t >= reach:
        beats.append(t - reach)
        t = int(source[t])
    return np.array(beats[::-1], dtype=np.int64)
