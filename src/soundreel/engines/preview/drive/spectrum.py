"""How loud each fine band is at each frame, in decibels: tones as fine as a long window hears them,
and new sound on the very frame that holds it.

Only sums that do not depend on how many threads a library takes: the same bytes everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

NEAR_S = 0.035
"""At least so much sound says how loud a frame is: less has no low tones."""

UNSTEADY = 2.0
"""By so much the power of a held tone may seem to rise: a frame does not hold whole periods."""

LEAK = 1e-4
"""Of the power of a frame what is less than this share of the whole says nothing."""

WIDE_HZ = (60.0, 240.0, 960.0, 3800.0, 12000.0)
"""Middles of the wide parts whose level the frame's own samples say."""


def decibels(
    sound: Floats, edges: NDArray[np.int64], window: int, rate: int, band_hz: Doubles
) -> Doubles:
    """(frames, bands): a full-scale sine is 0. edges: (frames + 1,) of the frames in the sound, all
    at least a window from its beginning. band_hz: (bands + 1,) edges.

    What the window hears of before the frame counts as far as the frame itself is as loud; what is
    new in the frame has the frame's own spectrum, however coarse.
    """
    taper, own_taper = _taper(window, 0.25), _near_tapers(np.diff(edges), window, rate)
    heard = np.lib.stride_tricks.sliding_window_view(sound, window)[edges[1:] - window]
    fine = _power(heard * taper) / (taper**2).sum()
    lengths = (own_taper**2).sum(axis=1, keepdims=True)
    near = _power(heard * own_taper) / lengths
    now = _wide_sums(near, window, rate)
    before = _earlier(now, taper, np.diff(edges))
    floor = LEAK * now.sum(axis=1, keepdims=True) + 1e-9
    rises = _between((now + floor) / (before + floor), band_hz)
    places = band_hz * (window / rate)
    held = _band_sums(fine, places) * (4 * (taper**2).sum() / taper.sum() ** 2)
    new = _band_sums(near, places) * (4 * lengths / own_taper.sum(axis=1, keepdims=True) ** 2)
    power = held * np.minimum(rises, 1) + new * np.maximum(1 - UNSTEADY / rises, 0)
    return np.asarray(10 * np.log10(power + 1e-12))


def _power(rows: Floats) -> Floats:
    return np.asarray(np.abs(np.fft.rfft(rows)) ** 2, np.float32)


def _band_sums(power: Floats, places: Doubles) -> Doubles:
    """(frames, bands): the power between neighbouring places, in bins with fractions; a band that
    is narrower than a bin is taken as wide as one, and mixes the two that it lies between."""
    middles = np.sqrt(places[1:] * places[:-1])
    half = np.maximum(np.diff(places), 1) / 2
    total = np.concatenate([np.zeros((len(power), 1)), power.cumsum(axis=1, dtype=float)], axis=1)
    return _at(total, middles + half + 0.5) - _at(total, middles - half + 0.5)


def _at(total: Doubles, places: Doubles) -> Doubles:
    """Columns at fractional places."""
    left = np.clip(np.floor(places).astype(int), 0, total.shape[1] - 2)
    share = np.clip(places - left, 0, 1)
    return np.asarray(total[:, left] * (1 - share) + total[:, left + 1] * share)


def _wide_sums(power: Floats, window: int, rate: int) -> Doubles:
    """(frames, parts): overlapping triangles over the octaves that sum to one."""
    octave = np.log2(np.maximum(np.fft.rfftfreq(window, 1 / rate), 1.0))
    places = np.log2(WIDE_HZ)
    triangles = [np.interp(octave, places, row) for row in np.eye(len(WIDE_HZ))]
    return np.stack([(power * one).sum(axis=1) for one in triangles], axis=1)


def _between(values: Doubles, band_hz: Doubles) -> Doubles:
    """(frames, bands) of (frames, parts): even steps in octaves and in decibels."""
    middles = np.log2(np.sqrt(band_hz[1:] * band_hz[:-1]))
    parts = np.log2(WIDE_HZ)
    logs = np.stack([np.interp(middles, parts, row) for row in np.log(values)])
    return np.asarray(np.exp(logs))


def _taper(size: int, end: float) -> Floats:
    """Rises over what was, and falls over the last share `end`: what is new is heard soon."""
    last = max(1, round(size * end))
    up = 0.5 - 0.5 * np.cos(np.pi * (np.arange(size - last) + 0.5) / (size - last))
    down = 0.5 + 0.5 * np.cos(np.pi * (np.arange(last) + 0.5) / last)
    return np.concatenate([up, down]).astype(np.float32)


def _earlier(now: Doubles, taper: Floats, lengths: NDArray[np.int64]) -> Doubles:
    """(frames, parts): the mean of `now` over the frames that the window reaches back to, as it
    weighs them."""
    length = max(1, int(np.median(lengths)))
    weights = np.add.reduceat(taper[::-1].astype(np.float64) ** 2, np.arange(0, len(taper), length))
    total, weight = np.zeros(now.shape), np.zeros((len(now), 1))
    for back, share in enumerate(weights[: len(now)].tolist()):
        total[back:] += share * now[: len(now) - back]
        weight[back:] += share
    return total / weight


def _near_tapers(lengths: NDArray[np.int64], size: int, rate: int) -> Floats:
    """(frames, size): the frames' own samples, the last ones of the window, and some before short
    ones: with soft ends, within the frame a short one."""
    tapers = np.zeros((len(lengths), size), np.float32)
    for length in set(lengths.tolist()):
        count = min(max(length, round(NEAR_S * rate)), size)
        tapers[lengths == length, size - count :] = _ends(count, count // 4, length // 10)
    return tapers


def _ends(count: int, first: int, last: int) -> Floats:
    """Ones, with rising and falling ends."""
    out = np.ones(count, np.float32)
    for soft, part in ((first, out[:first]), (last, out[count - last :][::-1])):
        part *= np.sin(np.pi / 2 * (np.arange(soft) + 0.5) / max(soft, 1))
    return out
