"""One channel out of several, so that what is heard is not lost in it.

The average of the channels is right for nearly all recordings, and stays. Where channels cancel
each other (a balanced cable on a stereo input), or only one of many speaks, it is far quieter than
what is heard; then other fixed weights are used, the same for every part of the clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.segment import stream_clip
from soundreel.events import RunControl
from soundreel.types import AudioClip

FAR_QUIETER = 0.05
"""Of the loudest channel's power: 13 dB. Two unlike channels that are alone in a 5.1 file stand at
0.056 in the average, those of a stereo file at 0.5."""

MIX_NOTICE = (
    "the average of the sound's channels is far quieter than they are, as where they cancel each "
    "other: the pictures follow what is loud in them"
)

_MOMENTS = 0.05
"""So large a share of the moments must be far quieter before the average is given up."""

_MOMENT_S = Fraction(1, 4)
_LONGEST_S = 1200
_PASSAGES, _PASSAGE_S = 60, 10
"""Of a longer clip so many passages are heard."""

_SILENT = 1e-9
"""Power below which a moment says nothing."""


def choose_mix(clip: AudioClip, control: RunControl | None = None) -> tuple[float, ...]:
    """The weight of each channel in the mono sound; () is the average."""
    if clip.channels < 2:
        return ()
    moments = np.array(list(_moments(clip, control)))
    loudest = moments.diagonal(axis1=1, axis2=2).max(axis=1) if len(moments) else np.zeros(0)
    sounding = loudest > _SILENT
    if not sounding.any():
        return ()
    return _best(moments[sounding] / loudest[sounding, None, None])


def _best(moments: NDArray[np.float64]) -> tuple[float, ...]:
    """moments: (n, channels, channels) powers and cross powers, the loudest channel's at 1."""
    channels = moments.shape[1]
    average = np.full(channels, 1 / channels)
    if _heard(average, moments) >= FAR_QUIETER:
        return ()
    total = moments.sum(axis=0)
    first = int(total.diagonal().argmax())
    signs = np.where(total[first] < 0, -1.0, 1.0)
    aligned = signs * np.sqrt(total[first, first] / max(signs @ total @ signs, _SILENT))
    alone = np.eye(channels)[np.argsort(-total.diagonal(), kind="stable")]
    best = max([aligned, *alone], key=lambda weights: min(1.0, _heard(weights, moments) * 1.01))
    return tuple(float(weight) for weight in np.round(best, 6))


def _heard(weights: NDArray[np.float64], moments: NDArray[np.float64]) -> float:
    """Power of the mix, against the loudest channel, in its quietest moments but for a few."""
    powers = np.einsum("i,nij,j->n", weights, moments, weights)
    return float(np.quantile(powers, _MOMENTS))


def _moments(clip: AudioClip, control: RunControl | None) -> Iterator[NDArray[np.float64]]:
    """The channels' powers and cross powers, moment by moment."""
    length = int(_MOMENT_S * clip.rate)
    for begin, duration in _passages(clip):
        rest = np.zeros((clip.channels, 0), np.float32)
        for block in stream_clip(clip, begin, duration, control=control):
            samples = np.concatenate([rest, block], axis=1)
            while samples.shape[1] >= length:
                part = samples[:, :length].astype(np.float64)
                yield part @ part.T / length
                samples = samples[:, length:]
            rest = samples
        if rest.shape[1]:
            part = rest.astype(np.float64)
            yield part @ part.T / length


def _passages(clip: AudioClip) -> list[tuple[Fraction, Fraction]]:
    """(start, duration) of what is listened to: all, or parts evenly over a long clip."""
    if clip.sound_duration <= _LONGEST_S:
        return [(clip.start, clip.sound_duration)]
    step = (clip.sound_duration - _PASSAGE_S) / (_PASSAGES - 1)
    return [(clip.start + step * k, Fraction(_PASSAGE_S)) for k in range(_PASSAGES)]
