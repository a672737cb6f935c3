"""One reading of a clip, boiled down to curves of some tens of values a second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.onsets import SILENCE, normalise_onsets, spectral_flux, sum_bands
from soundreel.audio.segment import stream_clip
from soundreel.events import RunControl
from soundreel.types import AudioClip

CURVE_RATE = 100
"""Values a second of the quick curves: a beat is placed within 5 ms."""

SPECTRUM_RATE = 20
"""Values a second of the slow ones, each over a window of `WINDOW_S`."""

WINDOW_S = 0.2

TIMBRE_BANDS = 20
LOWEST_HZ, HIGHEST_HZ = 60.0, 10000.0
FLOOR = 1e-7
"""Power (70 dB below full scale) under which a band counts as silent."""

BASS_HZ = (30.0, 150.0)
"""Where a kick drum and the fundamental of a bass lie."""

LOWEST_NOTE, HIGHEST_NOTE = 45, 96
"""MIDI numbers of the pitches that tell a harmony: A2 (110 Hz) to C7 (2093 Hz)."""

_BATCH_S = 8

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """Curves of a clip of `duration` seconds; times count from the clip's start.

    onset: (N,) 0..1, how much begins in each hundredth of a second.
    bass: (N,) rise of the power in `BASS_HZ`, in bels.
    level: (N,) root mean square of each hundredth of a second, 0..1.
    timbre: (M, 20) bels above `FLOOR` in bands spaced evenly in pitch, every twentieth of a second.
    chroma: (M, 12) share of each pitch class (C first) in the sound's partials, 0..1.
    """

    duration: Fraction
    onset: Curve
    bass: Curve
    level: Curve
    timbre: Curve
    chroma: Curve


def listen(clip: AudioClip, control: RunControl | None = None) -> Heard:
    """Read the clip once, in flat memory but for the curves. Raises InputError."""
    quick, slow = _Quick(clip.rate), _Slow(clip.rate)
    for samples in _batches(clip, control):
        quick.add(samples)
        slow.add(samples)
    onset, bass, level = quick.curves()
    timbre, chroma = slow.curves()
    return Heard(clip.duration, onset, bass, level, timbre, chroma)


def _batches(clip: AudioClip, control: RunControl | None) -> Iterator[NDArray[np.float32]]:
    """The clip's sound in one channel, in pieces of a whole number of curve values."""
    size = _BATCH_S * clip.rate
    pending: list[NDArray[np.float32]] = []
    for block in stream_clip(clip, mono=True, control=control):
        pending.append(block[0])
        if sum(map(len, pending)) >= size:
            joined = np.concatenate(pending)
            yield joined[:size]
            pending = [joined[size:]]
    yield np.concatenate(pending) if pending else np.zeros(0, np.float32)


class _Quick:
    """Onset, bass and level on the fine grid."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.state = SILENCE
        self.tail = np.zeros(rate // 20, np.float32)
        self.flux: list[NDArray[np.float32]] = []
        self.low: list[Curve] = []
        self.level: list[Curve] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """The next samples of the clip."""
        count = math.ceil(len(samples) * CURVE_RATE / self.rate)
        if not count:
            return
        edges = np.arange(count + 1) * self.rate // CURVE_RATE
        edges[-1] = len(samples)
        flux, self.state = spectral_flux(
            samples, edges, math.ceil(self.rate / CURVE_RATE), self.rate, self.state
        )
        self.flux.append(flux)
        power = np.add.reduceat(samples.astype(np.float64) ** 2, edges[:-1])
        self.level.append(np.sqrt(power / np.maximum(np.diff(edges), 1)))
        self.low.append(self._bass_power(samples, edges[1:]))

    def _bass_power(self, samples: NDArray[np.float32], ends: NDArray[np.int64]) -> Curve:
        """Bels of the bass in the twentieth of a second that ends at each of `ends`."""
        length = len(self.tail)
        joined = np.concatenate([self.tail, samples])
        self.tail = joined[-length:]
        step = max(1, length // 64)  # 1280 values a second are enough for 150 Hz
        places = ends[:, None] + np.arange(0, length - step + 1, step)
        total = np.append(0.0, np.cumsum(joined, dtype=np.float64))
        rows = (total[places + step] - total[places]) / step
        taper = np.hanning(rows.shape[1] + 2)[1:-1]
        power = np.abs(np.fft.rfft(rows * taper, 128)) ** 2 * (2 / (128 * (taper**2).sum()))
        hertz = np.fft.rfftfreq(128, step / self.rate)
        inside = (hertz >= BASS_HZ[0]) & (hertz <= BASS_HZ[1])
        bels: Curve = np.log10(1 + power[:, inside].sum(axis=1) / FLOOR)
        return bels

    def curves(self) -> tuple[Curve, Curve, Curve]:
        flux = np.concatenate(self.flux) if self.flux else np.zeros(0, np.float32)
        onset = normalise_onsets(flux, float(CURVE_RATE)).astype(np.float64)
        low = np.concatenate([np.zeros(5), *self.low])
        return onset, np.maximum(low[5:] - low[:-5], 0), np.concatenate([np.zeros(0), *self.level])


class _Slow:
    """Timbre and harmony on the coarse grid, each value of a window around its time."""

    def __init__(self, rate: int) -> None:
        self.hop, self.window = rate // SPECTRUM_RATE, round(rate * WINDOW_S)
        self.size = 1 << math.ceil(math.log2(self.window))
        self.pending = np.zeros(self.window // 2, np.float32)
        self.taper = np.hanning(self.window).astype(np.float32)
        self.bands = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), TIMBRE_BANDS + 1)
        self.bands *= self.size / rate
        self.notes = _note_weights(self.size, rate)
        self.timbre: list[Curve] = []
        self.chroma: list[Curve] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """The next samples of the clip."""
        joined = np.concatenate([self.pending, samples])
        count = max(0, (len(joined) - self.window) // self.hop + 1)
        self.pending = joined[count * self.hop :]
        for begin in range(0, count, 64):
            rows = np.lib.stride_tricks.sliding_window_view(joined, self.window)[:: self.hop]
            self._describe(rows[begin : min(begin + 64, count)])

    def _describe(self, rows: NDArray[np.float32]) -> None:
        power = np.abs(np.fft.rfft(rows * self.taper, self.size)) ** 2
        power *= 2 / (self.size * (self.taper**2).sum())
        self.timbre.append(np.log10(1 + sum_bands(power, self.bands) / FLOOR))
        peaks = np.log1p(power[:, : self.notes.shape[0]] / FLOOR)
        around = (peaks[:, :-2] + peaks[:, 2:]) / 2
        peaks[:, 1:-1] = np.maximum(peaks[:, 1:-1] - around, 0)  # partials, not broad noise
        chroma = peaks @ self.notes
        self.chroma.append(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-9))

    def curves(self) -> tuple[Curve, Curve]:
        self.add(np.zeros(self.window, np.float32))
        return np.concatenate(self.timbre), np.concatenate(self.chroma)


def _note_weights(size: int, rate: int) -> Curve:
    """(bins, 12): how much each FFT bin says of each pitch class; bins between two notes little."""
    highest = 440 * 2 ** ((HIGHEST_NOTE + 0.5 - 69) / 12)
    bins = min(size // 2, math.ceil(highest * size / rate))
    hertz = np.maximum(np.arange(bins) * rate / size, 1.0)
    note = 69 + 12 * np.log2(hertz / 440)
    nearest = np.rint(note)
    weights = np.zeros((bins, 12))
    closeness = np.cos(np.pi * (note - nearest)) ** 2
    closeness[(nearest < LOWEST_NOTE) | (nearest > HIGHEST_NOTE)] = 0
    weights[np.arange(bins), nearest.astype(int) % 12] = closeness
    return weights
