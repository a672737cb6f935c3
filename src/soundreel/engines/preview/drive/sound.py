"""The driving sound itself at each frame: true spectrum bars, their peaks, the wave.

Frame i shows the samples of [i / fps, (i + 1) / fps), and hears what was before them. Bars and
peaks fall on their own known courses, which end after `LEAD_S`: every frame can be made alone, in
any order.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.features import BAND_EDGES_HZ, FLOOR_DB, Features
from soundreel.audio.segment import read_clip
from soundreel.engines.preview.drive.spectrum import decibels
from soundreel.timeline.grid import first_sample
from soundreel.types import AudioClip

Floats = NDArray[np.float32]

BANDS = 96
"""Fine bands, evenly spread over the octaves; bars are groups of them."""

LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0

WINDOW_S = 0.17
"""Tones 10 Hz apart are told apart."""

RANGE_DB = 48.0
"""From an empty bar to a full one."""

EVEN = 0.45
"""How far a part of the spectrum is lifted that is never as loud as the loudest part: 0 as it is,
1 until it is even. By no more than `GAP_DB` in all."""
GAP_DB = 30.0

HEADROOM_DB = 4.0
"""Music spreads its level over many bars: they stand so much higher than its bands say."""

QUIET_DB = -52.0
"""A clip whose loudest band is below this stays calm."""

QUIET_RMS = 0.01

FALL = 2.0
"""Bar heights a second."""

PEAK_HOLD_S, PEAK_GRAVITY = 0.3, 2.4
"""A peak stays so long, then falls ever faster, heights a second squared."""

LEAD_S = 1.2
"""Longer than the fall of a whole bar, and than hold and fall of a peak."""

BLOCK_S = 6
"""So much is read and transformed together."""


@dataclass(frozen=True, slots=True)
class Block:
    """Of the frames from `first` on: levels and peaks (n, BANDS), 0..1; samples, and each frame's
    edges in them (n + 1,)."""

    first: int
    levels: Floats
    peaks: Floats
    samples: Floats
    edges: NDArray[np.int64]


class Sound:
    """Made of the clip and what is known of the whole of it. May be asked from several threads."""

    def __init__(self, clip: AudioClip, fps: Fraction, features: Features) -> None:
        self._clip, self._fps = clip, fps
        self._window = 1 << round(math.log2(WINDOW_S * clip.rate))
        self._highest = min(HIGHEST_HZ, 0.45 * clip.rate)
        self._top = self._full_level(features)
        self.loud = max(float(np.percentile(features.rms, 95)), QUIET_RMS)
        """Root mean square of the clip's loud frames."""
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._lock = Lock()

    @property
    def band_hz(self) -> NDArray[np.float64]:
        """(BANDS + 1,) edges."""
        octaves = np.log2(self._highest / LOWEST_HZ)
        return np.asarray(LOWEST_HZ * 2 ** (octaves * np.arange(BANDS + 1) / BANDS))

    def bars(self, i: int, count: int) -> tuple[Floats, Floats]:
        """Levels and peaks of `count` bars (a divisor of BANDS), low to high, 0..1."""
        block = self._block(i)
        at = i - block.first
        groups = (count, BANDS // count)
        return (
            block.levels[at].reshape(groups).max(axis=1),
            block.peaks[at].reshape(groups).max(axis=1),
        )

    def wave(self, i: int, before: float = 0.0) -> Floats:
        """The frame's own samples, -1..1, and those of so many seconds before it."""
        block = self._block(i)
        at = i - block.first
        first = block.edges[at] - round(before * self._clip.rate)
        return block.samples[first : block.edges[at + 1]]

    @property
    def rate(self) -> int:
        return self._clip.rate

    def _full_level(self, features: Features) -> NDArray[np.float64]:
        """(BANDS,) decibels of a full bar: by the clip's own loud level in each part."""
        loud = np.full(8, -FLOOR_DB)
        if len(features.bands):
            loud = np.percentile((features.bands - 1) * FLOOR_DB, 97, axis=0)
        most = max(float(loud.max()), QUIET_DB)
        lifted = most + (np.maximum(loud, most - GAP_DB) - most) * EVEN
        places = np.log2(np.sqrt(np.array(BAND_EDGES_HZ[1:]) * np.array(BAND_EDGES_HZ[:-1])))
        middles = np.log2(np.sqrt(self.band_hz[1:] * self.band_hz[:-1]))
        return np.asarray(np.interp(middles, places, lifted) - HEADROOM_DB)

    def _block(self, i: int) -> Block:
        size = round(BLOCK_S * self._fps)
        number = i // size
        with self._lock:
            if number not in self._blocks:
                self._blocks[number] = self._read(number * size, size)
            self._blocks.move_to_end(number)
            while len(self._blocks) > 2:
                self._blocks.popitem(last=False)
            return self._blocks[number]

    def _read(self, first: int, count: int) -> Block:
        lead = math.ceil(LEAD_S * self._fps)
        begin = self._clip.start + Fraction(first - lead) / self._fps
        margin = Fraction(2 * self._window, self._clip.rate)
        length = Fraction(count + lead) / self._fps
        sound = read_clip(self._clip, begin - margin, length + margin, mono=True, past_end=True)[0]
        origin = first_sample(begin - margin, self._clip.rate)
        edges = np.array(
            [
                first_sample(begin + Fraction(k) / self._fps, self._clip.rate) - origin
                for k in range(lead + count + 1)
            ]
        )
        loud = decibels(sound, edges, self._window, self._clip.rate, self.band_hz)
        raw = np.clip(1 + (loud - self._top) / RANGE_DB, 0, 1).astype(np.float32)
        levels = fallen(raw, float(self._fps), 0.0, FALL, 0.0)
        peaks = fallen(raw, float(self._fps), PEAK_HOLD_S, 0.0, PEAK_GRAVITY)
        return Block(first, levels[lead:], peaks[lead:], sound, edges[lead:])


def fallen(heights: Floats, fps: float, hold: float, speed: float, gravity: float) -> Floats:
    """(n, k): each height rises at once, stays for `hold` seconds, and falls: a frame's is the
    highest of what was left of all before it, no matter from where on one looks."""
    out = heights.copy()
    for back in range(1, len(heights)):
        age = max(0.0, back / fps - hold)
        drop = np.float32(speed * age + gravity * age * age)
        if drop >= 1:
            break
        np.maximum(out[back:], heights[:-back] - drop, out=out[back:])
    return out
