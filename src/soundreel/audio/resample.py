"""Another sample rate without a shift: a polyphase windowed sinc, the same for every segment.

Output sample j is the sound at j / rate seconds of the file, whatever segment it belongs to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from soundreel.audio.reading.frames import Samples

ZERO_CROSSINGS = 64
"""On each side of the sinc, at the lower of the two rates: 90 % of its band passes untouched."""

KAISER_BETA = 10.06
"""100 dB of stop band: 0.1102 (A - 8.7), J. F. Kaiser 1974."""

_GROUP = 256


def resample(
    native: Callable[[int, int], Iterator[Samples]], up: int, down: int, first: int, last: int
) -> Iterator[Samples]:
    """Blocks (channels, n) of output samples [first, last) at up/down times the native rate.

    native(a, b): blocks of the source's samples [a, b), silence outside the file.
    """
    group = up * max(1, _GROUP // up) if up <= 2 * _GROUP else _GROUP
    half = math.ceil(ZERO_CROSSINGS * max(1.0, down / up))
    width = math.ceil(group * down / up) + 2 * half
    feed = _Feed(native, (first // group * group) * down // up - half, last * down // up + width)
    for start in range(first // group * group, last, group):
        begin = start * down // up - half
        out = feed.take(begin, width) @ _matrix(start % up, up, down, group, half, width)
        yield np.clip(out[:, max(0, first - start) : last - start], -1, 1)


class _Feed:
    """A sliding view of a stream of blocks."""

    def __init__(
        self, native: Callable[[int, int], Iterator[Samples]], begin: int, end: int
    ) -> None:
        self._blocks = native(begin, end)
        self._buffer = next(self._blocks)
        self._begin = begin

    def take(self, begin: int, count: int) -> Samples:
        while self._begin + self._buffer.shape[1] < begin + count:
            kept = self._buffer[:, begin - self._begin :]
            self._begin = begin
            self._buffer = np.concatenate([kept, next(self._blocks)], axis=1)
        offset = begin - self._begin
        return self._buffer[:, offset : offset + count]


@lru_cache(maxsize=256)
def _matrix(phase: int, up: int, down: int, group: int, half: int, width: int) -> Samples:
    """(width, group): column i weighs the source for output i after one at `phase` of `up`."""
    offset = phase * down % up  # where the first output lies after a source sample, in 1/up
    centre = half + (offset + np.arange(group) * down) / up
    distance = np.arange(width)[:, None] - centre[None, :]
    cutoff = min(1.0, up / down) * (1 - 1 / ZERO_CROSSINGS * 3.2)
    window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None)))
    weights = np.sinc(cutoff * distance) * np.where(np.abs(distance) < half, window, 0)
    weights /= weights.sum(axis=0, keepdims=True)
    return weights.astype(np.float32)
