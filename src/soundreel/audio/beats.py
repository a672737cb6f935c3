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

WINDOW_S = 10.0
"""Tempo may drift; within this time it is taken as steady."""

FEWEST_BEATS = 4
_NO_BEATS = np.zeros(0, np.int64)

TEMPO_SPAN = 32
"""The tempo is the median over so many beats: one beat too many does not count."""

LEAST_PULSE, CHANCE_PULSE = 0.12, 0.6
"""Autocorrelation at the tempo below which there is no pulse: LEAST_PULSE +
CHANCE_PULSE / sqrt(seconds), since a short piece repeats by chance. Measured: drums .43 to .94;
speech and random clicks up to .23 in 10 s, .11 in 30 s, .05 in 120 s."""


def track_beats(onset: NDArray[np.float32], rate: float) -> tuple[float | None, NDArray[np.int64]]:
    """(tempo in beats a minute, indices of the beats in `onset`), or (None, empty).

    onset: curve of `rate` values a second.
    """
    curve = _smooth(onset, rate)
    period = _period(curve, rate)
    beats = _NO_BEATS if period is None else _walk(curve, period)
    if len(beats) < FEWEST_BEATS:
        return None, _NO_BEATS
    span = min(len(beats) - 1, TEMPO_SPAN)
    return 60 * rate * span / float(np.median(beats[span:] - beats[:-span])), beats


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
    shortest, longest = round(rate * 60 / FASTEST_BPM), round(rate * 60 / SLOWEST_BPM)
    similar = _self_similarity(curve, round(WINDOW_S * rate), longest + 1)
    lags = np.arange(len(similar))
    octaves = np.log2(60 * rate / np.maximum(lags, 1) / PREFERRED_BPM) / PREFERENCE_OCTAVES
    score = similar * np.exp(-0.5 * octaves**2)
    best = shortest + int(score[shortest:-1].argmax())
    if similar[best] < LEAST_PULSE + CHANCE_PULSE / (len(curve) / rate) ** 0.5:
        return None
    left, middle, right = similar[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return best + (float(0.5 * (left - right) / bend) if bend < 0 else 0.0)


def _self_similarity(curve: NDArray[np.float64], window: int, longest: int) -> NDArray[np.float64]:
    """Autocorrelation at lags 0..longest, the mean over half-overlapping windows; 0..1."""
    size = 1 << (window + longest).bit_length()
    total = np.zeros(longest + 1)
    for begin in range(0, max(1, len(curve) - window // 2), window // 2):
        part = curve[begin : begin + window]
        spectrum = np.abs(np.fft.rfft(part - part.mean(), size)) ** 2
        total += np.fft.irfft(spectrum, size)[: longest + 1]
    mean: NDArray[np.float64] = total / max(total[0], 1e-12)
    return mean


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
