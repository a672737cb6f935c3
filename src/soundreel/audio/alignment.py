"""How far two sounds of the same music stand apart in time, where that can be told.

By the phases of their cross-spectrum (generalised cross-correlation with phase transform: Knapp and
Carter, "The Generalized Correlation Method for Estimation of Time Delay", 1976): a stem is found in
the mix that it is part of to the sample, however loud the rest is.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.segment import read_clip
from soundreel.types import AudioClip

RATE = 8000
LONGEST_S = 300
"""So much of the beginning of both is compared."""

FARTHEST_S = 30
"""Shifts up to this are looked for."""

CLEAR = 30.0
"""A true shift stands out by so many times the usual height of the curve. Measured over a minute: a
voice 20 dB below the band 280, at its level 570; unrelated sounds up to 8.2."""

_BAND_HZ = (100.0, 3500.0)


def shift_between(heard: AudioClip, other: AudioClip) -> Fraction | None:
    """Seconds by which `other` comes later than `heard`, negative if earlier; None where the two
    have nothing in common. Raises InputError where one cannot be read."""
    one, two = _beginning(heard), _beginning(other)
    size = 1 << (max(len(one), len(two)) + FARTHEST_S * RATE).bit_length()
    cross = np.fft.rfft(two, size) * np.conj(np.fft.rfft(one, size))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    cross[(hertz < _BAND_HZ[0]) | (hertz > _BAND_HZ[1])] = 0
    cross /= np.maximum(np.abs(cross), 1e-12)
    curve = np.fft.irfft(cross, size)
    reach = FARTHEST_S * RATE
    near = np.concatenate([curve[-reach:], curve[: reach + 1]])
    best = int(np.abs(near).argmax())
    usual = float(np.sqrt(np.mean(np.square(near)))) or 1.0
    if abs(float(near[best])) < CLEAR * usual:
        return None
    return Fraction(best - reach, RATE)


def _beginning(clip: AudioClip) -> NDArray[np.float32]:
    length = min(clip.duration, Fraction(LONGEST_S))
    beginning: NDArray[np.float32] = read_clip(clip, clip.start, length, rate=RATE, mono=True)[0]
    return beginning
