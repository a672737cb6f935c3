"""The level of a window of sound: that of the whole clip.

The server's wav2vec2 brings every upload to mean 0 and variance 1 by itself, so that a silent
passage, sent alone, would become loud. No gain on our side survives that. So a window carries a
calibration stretch behind its sound, out of all pictures' hearing: a loud passage of the clip
itself, scaled so that mean and variance of the upload are those of the clip.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.segment import stream_clip
from soundreel.engines.wan22 import PICTURE_RATE, SAMPLE_RATE
from soundreel.events import RunControl
from soundreel.types import AudioClip

BUCKET = SAMPLE_RATE // PICTURE_RATE
KEPT = 600 * PICTURE_RATE
"""Buckets of a clip whose sound is kept, 38 MB of it: reading it again for each chunk takes longer
than all else that is done for the chunk here."""
LONGEST_CALIBRATION = 30 * PICTURE_RATE
"""Buckets. A window can only be brought down by silence: one that is twice as powerful as the clip
needs as much of it as it has sound. Where that is not enough, all windows of the clip are brought
to a higher common variance."""

_GUARD = 3 * SAMPLE_RATE // 2
"""Silent samples before the loud passage: more than wav2vec2's positional convolution spans."""
_LOUD = 2 * PICTURE_RATE
_SILENT = 1e-12
"""Variance below which there is no sound that a level could be set from."""
_FEATURE = 320
"""Samples to a wav2vec2 feature. ComfyUI stretches n features to int(0.6 n) of 30 a second,
both ends held: at a multiple of five the last is 13 ms late, at others up to 40."""

WINDOW = 30 * PICTURE_RATE

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SoundLevel:
    """mean and variance that every upload shall have; loud: the passage to calibrate with, its
    mean taken out."""

    mean: float
    variance: float
    loud: NDArray[np.float64]


class Sound:
    """The sound that drives buckets [0, end): behind the clip's end goes on what the file has,
    because a latent of four pictures hears the bucket of its last, shown or not. That of a clip of
    ordinary length is read once."""

    def __init__(self, clip: AudioClip, end: int, control: RunControl | None = None) -> None:
        self.end = end
        self._clip = clip
        self._kept = _joined(self._read(0, end, control)) if end <= KEPT else None

    def buckets(self, first: int, end: int) -> Samples:
        if self._kept is None:
            return _joined(self._read(first, end))
        return self._kept[first * BUCKET : end * BUCKET]

    def blocks(self, control: RunControl | None = None) -> Iterator[Samples]:
        """All of it."""
        if self._kept is None:
            yield from self._read(0, self.end, control)
        else:
            for first in range(0, self.end, WINDOW):
                yield self.buckets(first, min(first + WINDOW, self.end))

    def _read(self, first: int, end: int, control: RunControl | None = None) -> Iterator[Samples]:
        start, duration = Fraction(first, PICTURE_RATE), Fraction(end - first, PICTURE_RATE)
        read = stream_clip(
            self._clip, self._clip.start + start, duration,
            rate=SAMPLE_RATE, mono=True, past_end=True, control=control,
        )  # fmt: skip
        return (block[0] for block in read)


def measure_level(
    sound: Sound,
    frames: int,
    spans: Iterable[tuple[int, int]],
    control: RunControl | None = None,
) -> SoundLevel:
    """Of a clip, whose own buckets are the first `frames`.

    spans: the windows that shall be brought to its level, as pairs of buckets.
    """
    count, sums, squares = frames * BUCKET, *_bucket_sums(sound.blocks(control))
    mean = sums[frames] / count
    variance = max(squares[frames] - count * mean**2, 0.0) / (count - 1)
    needed = [_least_variance(sums, squares, mean, first, last) for first, last in spans]
    return SoundLevel(mean, max(variance, *needed), _loud_passage(sound, squares))


def calibration(sound: Samples, level: SoundLevel) -> Samples:
    """What to put behind `sound` so that the whole has the level's mean and (n - 1) variance."""
    count, loudness = len(sound), float(np.square(level.loud).sum())
    if level.variance < _SILENT or loudness < _SILENT:
        return np.zeros(even_length(count) - count, np.float32)
    away = sound.astype(np.float64) - level.mean
    total, power = float(away.sum()), float(np.square(away).sum())
    length = _tail_length(count, total, power, level)
    offset = -total / length
    missing = _missing_power(count, total, power, level, length)
    tail = np.full(length, level.mean + offset)
    tail[length - len(level.loud) :] += level.loud * math.sqrt(max(missing, 0.0) / loudness)
    return tail.astype(np.float32)


def even_length(samples: int) -> int:
    """The next length that gives a multiple of five features."""
    step = 5 * _FEATURE
    return -(-(samples - _FEATURE) // step) * step + _FEATURE


def _tail_length(count: int, total: float, power: float, level: SoundLevel) -> int:
    """The shortest tail that the missing power is not negative for."""
    length = _GUARD + len(level.loud)
    length = max(length, math.ceil(power / level.variance) - count + 1)
    while _missing_power(count, total, power, level, length) < 0 and length < count * 100:
        length += BUCKET
    return even_length(count + length) - count


def _missing_power(count: int, total: float, power: float, level: SoundLevel, length: int) -> float:
    """Sum of squares that the tail has to bring beyond its constant part."""
    return (count + length - 1) * level.variance - power - total**2 / length


def _least_variance(
    sums: NDArray[np.float64], squares: NDArray[np.float64], mean: float, first: int, last: int
) -> float:
    """What a window can be brought down to with the longest calibration stretch."""
    count, tail = (last - first) * BUCKET, LONGEST_CALIBRATION * BUCKET
    total = sums[last] - sums[first] - count * mean
    power = squares[last] - squares[first] - 2 * mean * (sums[last] - sums[first])
    power += count * mean**2
    return float((power + total**2 / tail) / (count + tail - 1))


def _bucket_sums(blocks: Iterable[Samples]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running sums of the samples and of their squares at the buckets' borders: (end + 1,) each."""
    sums: list[NDArray[np.float64]] = []
    squares: list[NDArray[np.float64]] = []
    rest = np.zeros(0, np.float32)
    for block in blocks:
        data = np.concatenate([rest, block])
        whole = len(data) // BUCKET
        rows = data[: whole * BUCKET].reshape(whole, BUCKET).astype(np.float64)
        rest = data[whole * BUCKET :]
        sums.append(rows.sum(axis=1))
        squares.append((rows**2).sum(axis=1))
    return _running(sums), _running(squares)


def _joined(blocks: Iterable[Samples]) -> Samples:
    return np.concatenate(list(blocks))


def _running(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.concatenate(parts))])


def _loud_passage(sound: Sound, squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two loudest seconds of the clip, their mean taken out."""
    length = min(_LOUD, sound.end)
    first = int(np.argmax(squares[length:] - squares[:-length]))
    loud = sound.buckets(first, first + length).astype(np.float64)
    return np.asarray(loud - loud.mean())
