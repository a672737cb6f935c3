"""Frames of a stream whose rate or channels change on the way, all brought to those of the first.

As FFmpeg's program does it: what has another layout goes through the library's own mixing matrix,
what has another rate is resampled, and the change moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler

from soundreel.audio.reading.frames import Samples, floats


class Uniform:
    """rate, layout: what comes out; changes: sentences about what came in otherwise."""

    def __init__(self, rate: int, layout: str) -> None:
        self.rate, self.layout = rate, layout
        self.changes: list[str] = []
        self._run: _Run | None = None

    def length(self, frame: AudioFrame) -> int:
        """Samples that the frame stands for at the rate that comes out."""
        if frame.sample_rate == self.rate:
            return frame.samples
        run = self._run if self._run and self._run.rate == frame.sample_rate else None
        return (run or _Run(frame.sample_rate, self.rate)).length(frame.samples)

    def push(self, frame: AudioFrame) -> Iterator[Samples]:
        """The frame's sound, at the latest after the next `flush`."""
        if self._run is not None and self._run.rate != frame.sample_rate:
            yield from self.flush()
        block = self._matched(floats(frame), frame.layout.name)
        if frame.sample_rate == self.rate:
            yield block
            return
        if self._run is None:
            self._say(f"{frame.sample_rate} samples a second instead of {self.rate}")
            self._run = _Run(frame.sample_rate, self.rate)
        yield from self._run.push(block)

    def flush(self) -> Iterator[Samples]:
        """What is still in the resampler: call it before silence, and at the end."""
        run, self._run = self._run, None
        if run is not None:
            yield from run.flush()

    def _matched(self, block: Samples, layout: str) -> Samples:
        if layout == self.layout:
            return block
        self._say(f"{layout} instead of {self.layout}")
        return mixed(block, layout, self.layout)

    def _say(self, change: str) -> None:
        if change not in self.changes:
            self.changes.append(change)


class _Run:
    """A stretch at another rate: exactly round(samples * ratio) come out of it."""

    def __init__(self, rate: int, wanted: int) -> None:
        self.rate = rate
        self._ratio = Fraction(wanted, rate)
        self._resampler = AudioResampler(format="flt", rate=wanted)
        self._given = self._taken = 0
        self._channels = 1

    def length(self, samples: int) -> int:
        return round((self._given + samples) * self._ratio) - round(self._given * self._ratio)

    def push(self, block: Samples) -> Iterator[Samples]:
        self._channels, count = block.shape
        self._given += count
        # Packed, since PyAV 17 to 19 cannot make a planar frame of eight channels.
        packed = np.ascontiguousarray(block.T, np.float32).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, "flt", _any_layout(self._channels))
        frame.sample_rate = self.rate
        yield from self._taken_of(self._resampler.resample(frame))

    def flush(self) -> Iterator[Samples]:
        yield from self._taken_of(self._resampler.resample(None))
        short = round(self._given * self._ratio) - self._taken
        if short > 0:
            yield np.zeros((self._channels, short), np.float32)

    def _taken_of(self, frames: list[AudioFrame]) -> Iterator[Samples]:
        for frame in frames:
            room = round(self._given * self._ratio) - self._taken
            block = frame.to_ndarray().reshape(-1, self._channels).T[:, : max(0, room)]
            self._taken += block.shape[1]
            if block.size:
                yield np.asarray(block, np.float32)


def mixed(block: Samples, layout: str, wanted: str) -> Samples:
    """The channels of one layout in another, by the library's matrix."""
    return np.asarray(_matrix(layout, wanted) @ block, np.float32)


@lru_cache(maxsize=32)
def _matrix(layout: str, wanted: str) -> Samples:
    """(channels out, channels in): what comes out of one sample of each channel."""
    count, out = (AudioLayout(name).nb_channels for name in (layout, wanted))
    if "channels" in f"{layout}{wanted}":  # nobody knows where they stand
        plain = np.eye(count) if count == out else np.full((out, count), 1 / count)
        return plain.astype(np.float32)
    probes = np.zeros((max(64, count), count), np.float32)
    np.fill_diagonal(probes, 1)
    frame = AudioFrame.from_ndarray(probes.reshape(1, -1), "flt", layout)
    frame.sample_rate = 48000
    resampler = AudioResampler(format="flt", layout=wanted, rate=48000)
    answers = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([answer.to_ndarray().reshape(-1, out) for answer in answers])[:count].T


def _any_layout(channels: int) -> str:
    """A name for so many channels: resampling treats them all alike."""
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels}C")
