"""The sound of a file as the proof needs it: where it begins, how loud it is, which peaks are cut
off, and its energy in bands at any moment."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.load import count_samples
from soundreel.audio.loudness import measure
from soundreel.audio.mix import choose_mix
from soundreel.audio.reading.decode import Decoder
from soundreel.audio.reading.frames import Samples
from soundreel.audio.segment import read_clip, stream_clip
from soundreel.events import RunControl
from soundreel.types import AudioClip

Floats = NDArray[np.float64]

LEVEL_S = Fraction(1, 20)
"""Seconds of one value of the level."""

FULL = 0.9999
"""A sample at or beyond this is at full scale: 16 bits end at 0.99997."""

FLAT = 3
"""So many samples in a row at full scale are a peak cut off: a sine at 1 kHz and 0 dBFS has one or
two at 44100 a second."""

CEILING = 0.9
"""1 dB below full scale. AAC turns a cut-off top into a ripple about here."""

BAND_RATE, HOP = 16000, 64
"""Energies are kept every 4 ms."""

BAND_HZ = (60, 160, 400, 1000, 2200, 4000, 7500)
_MARGIN_S = 2
_FLOOR = 1e-5
"""Of a band's loud moments: 50 dB below them it counts as silent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """start: second of the file's clock at which the first sample is heard. integrated, true_peak:
    LUFS and dBTP, None where there is nothing to measure. clipped: seconds of peaks cut off, in the
    sound's own time. ceiling: share of the samples beyond `CEILING`. level: root mean square every
    `LEVEL_S`."""

    clip: AudioClip
    start: Fraction
    codec: str
    integrated: float | None
    true_peak: float | None
    clipped: Floats
    ceiling: float
    level: Floats

    def level_at(self, times: Floats) -> Floats:
        """Root mean square at seconds of the sound's own time; 0 outside it."""
        places = np.floor(times / float(LEVEL_S)).astype(int)
        inside = (places >= 0) & (places < len(self.level))
        return np.asarray(
            np.where(inside, self.level[np.clip(places, 0, len(self.level) - 1)], 0.0)
        )

    def rises(self, times: Floats) -> Floats:
        """Decibels by which it grows louder within a twentieth of a second of these moments, and
        never less than 0."""
        width = float(LEVEL_S)
        before = np.minimum(self.level_at(times - 2 * width), self.level_at(times - width))
        after = np.maximum(self.level_at(times), self.level_at(times + width))
        return np.asarray(np.maximum(20 * np.log10((after + 1e-4) / (before + 1e-4)), 0))

    def silent(self, begin: float, end: float, below: float = 0.003) -> bool:
        """Whether nothing louder than -50 dBFS lies in [begin, end), in the sound's own time."""
        first, last = (max(0, int(time / float(LEVEL_S))) for time in (begin, end))
        return bool((self.level[first : last + 1] < below).all())


def listen(path: Path, control: RunControl) -> Heard:
    """Decode all of a file's sound, block by block. Raises InputError where it has none."""
    with Decoder(path, tolerant=True, control=control) as decoder:
        count = count_samples(decoder)
        rate, channels, start = decoder.rate, decoder.channels, decoder.start
        duration = Fraction(count, rate)
        clip = AudioClip(path, Fraction(0), duration, duration, rate, channels, True)
        clip = replace(clip, layout=decoder.layout)
        codec, layout = decoder.codec, decoder.layout
    clip = replace(clip, mix=choose_mix(clip, control))
    taken = _Taken(rate)
    loudness = measure(taken.each(stream_clip(clip, control=control)), rate, layout, -14.0)
    return Heard(
        clip,
        start,
        codec,
        None if loudness is None else loudness.integrated,
        None if loudness is None else loudness.true_peak,
        np.frombuffer(taken.clipped, np.float64),
        taken.loud / max(1, taken.samples),
        np.frombuffer(taken.level, np.float64),
    )


class _Taken:
    """What is noted of the blocks that pass by on their way to the meter."""

    def __init__(self, rate: int) -> None:
        self.clipped, self.level = array("d"), array("d")
        self.loud = self.samples = 0
        self._rate, self._position = rate, 0
        self._rest = np.zeros(0)

    def each(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        for block in blocks:
            if block.shape[1]:
                self._note_clipping(block)
                self._note_level((block.astype(np.float64) ** 2).mean(axis=0))
                self._position += block.shape[1]
            yield block
        if self._rest.size:
            self.level.append(float(np.sqrt(self._rest.mean())))

    def _note_clipping(self, block: Samples) -> None:
        """A run across two blocks may be missed: there are thousands where there is one."""
        size = np.abs(block)
        self.samples += size.size
        self.loud += int((size >= CEILING).sum())
        for channel in size >= FULL:
            if not channel.any():
                continue
            edges = np.flatnonzero(np.diff(np.concatenate([[0], channel, [0]]).astype(np.int8)))
            begins, ends = edges[::2], edges[1::2]
            flat = begins[ends - begins >= FLAT]
            self.clipped.extend(((self._position + flat) / self._rate).tolist())

    def _note_level(self, power: Floats) -> None:
        power = np.concatenate([self._rest, power])
        done = len(self.level)
        first = self._edge(done)
        whole = (first + len(power)) * LEVEL_S.denominator // (self._rate * LEVEL_S.numerator)
        edges = np.array([self._edge(k) - first for k in range(done, whole + 1)])
        if whole > done:
            sums = np.add.reduceat(power[: edges[-1]], edges[:-1])
            self.level.extend(np.sqrt(sums / np.diff(edges)).tolist())
        self._rest = power[edges[-1] :]

    def _edge(self, number: int) -> int:
        """The sample with which a value begins: at 22050 Hz they are 1102 or 1103 long."""
        return int(number * self._rate * LEVEL_S)


class Bands:
    """Energy of a stretch of sound in six bands and in all, at any moment of it.

    begin, end: seconds of the sound's own time; some more on either side is there too.
    """

    def __init__(self, clip: AudioClip, begin: float, end: float, control: RunControl) -> None:
        self._origin = Fraction(int(begin) - _MARGIN_S)
        length = Fraction(int(end - begin) + 2 * _MARGIN_S + 2)
        samples = read_clip(clip, self._origin, length, rate=BAND_RATE, mono=True, control=control)[
            0
        ]
        energy = _banded(samples.astype(np.float64))
        self._floor = np.quantile(energy, 0.98, axis=0) * _FLOOR + 1e-12
        self._sums = np.concatenate([np.zeros((1, energy.shape[1])), energy.cumsum(axis=0)])

    def decibels(self, times: Floats, step: float) -> Floats:
        """(N, 7): the level of each band in [time, time + step)."""
        ends = [(times + by - float(self._origin)) * (BAND_RATE / HOP) for by in (0.0, step)]
        first, last = (np.clip(each, 0, len(self._sums) - 1) for each in ends)
        power = (self._at(last) - self._at(first)) / max(step * BAND_RATE / HOP, 1e-9)
        return np.asarray(10 * np.log10(np.maximum(power, 0) + self._floor))

    def _at(self, places: Floats) -> Floats:
        below = np.minimum(places.astype(int), len(self._sums) - 2)
        part = (places - below)[:, None]
        return np.asarray(self._sums[below] * (1 - part) + self._sums[below + 1] * part)


def _banded(samples: Floats) -> Floats:
    """(n / HOP, 7): mean power of each band, and of all, split by filters without delay."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / BAND_RATE), 1))
    rows = len(samples) // HOP
    powers = []
    for low, high in pairwise(BAND_HZ):
        rising = np.clip((octaves - np.log2(low)) / 0.3 + 0.5, 0, 1)
        falling = np.clip((np.log2(high) - octaves) / 0.3 + 0.5, 0, 1)
        gain = np.sin(np.pi / 2 * rising) * np.sin(np.pi / 2 * falling)
        part = np.fft.irfft(spectrum * gain, len(samples))
        powers.append((part[: rows * HOP] ** 2).reshape(rows, HOP).mean(axis=1))
    found = np.array(powers).T
    return np.concatenate([found, found.sum(axis=1, keepdims=True)], axis=1)
