"""The voice of a sound as a file of its own, which drives the picture."""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.load import probe
from soundreel.audio.segment import read_clip
from soundreel.events import RunControl
from soundreel.timeline.grid import samples_between
from soundreel.types import AudioClip

PIECE_S, AROUND_S = 60, 8
"""Seconds that are separated at once, and what is heard around them: a model's own segment."""

LEAD_S = 1
"""Seconds before the clip that are separated too: the sound of dropped pictures."""

Samples = NDArray[np.float32]


class Voices(Protocol):
    """What separates: see `separator.Separator`."""

    rate: int

    def voice(self, mix: Samples, control: RunControl) -> Samples: ...


def open_separator(weights: Path) -> Voices:
    """Raises InputError where the file is no such model."""
    from soundreel.audio.separator import Separator

    return Separator(weights)


def write_vocals(heard: AudioClip, weights: Path, path: Path, control: RunControl) -> None:
    """The voice of what the clip plays into a WAV file, one channel of 16 bits. Memory does not
    grow with the sound. Raises InputError."""
    separator = open_separator(weights)
    rate, begin = separator.rate, begin_of(heard)
    count = samples_between(begin, heard.sound_end, rate)

    def mix(first: int, last: int) -> Samples:
        start, length = begin + Fraction(first, rate), Fraction(last - first, rate)
        found = read_clip(heard, start, length, rate=rate, control=control)
        return found if len(found) == 2 else np.repeat(found.mean(axis=0, keepdims=True), 2, axis=0)

    mean, deviation = _level(mix(*span) for span in _spans(count, PIECE_S * rate))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, count, "NONE", ""))
        for first, last in _spans(count, PIECE_S * rate):
            low, high = max(0, first - AROUND_S * rate), min(count, last + AROUND_S * rate)
            voice = separator.voice((mix(low, high) - mean) / deviation, control)
            own = voice[:, first - low : last - low].mean(axis=0) * deviation + mean
            file.writeframes(np.rint(np.clip(own, -1, 1) * 32767).astype("<i2").tobytes())


def vocals_clip(heard: AudioClip, path: Path) -> AudioClip:
    """The clip of a file that `write_vocals` wrote, on the heard one's timeline."""
    whole = probe(path).clip
    start = heard.start - begin_of(heard)
    sound = min(heard.sound_duration, whole.duration - start)
    return replace(whole, start=start, duration=heard.duration, sound_duration=sound)


def begin_of(heard: AudioClip) -> Fraction:
    """Second of the heard file at which its vocals begin."""
    return Fraction(max(0, math.floor(heard.start) - LEAD_S))


def _spans(count: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, size):
        yield first, min(first + size, count)


def _level(blocks: Iterator[Samples]) -> tuple[np.float32, np.float32]:
    """Mean and deviation of the channels' average, by which Demucs normalises (demucs/api.py)."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        exact = block.astype(np.float64).mean(axis=0)
        count += exact.size
        total += float(exact.sum())
        squares += float(np.square(exact).sum())
    mean = total / max(count, 1)
    deviation = math.sqrt(max(squares / max(count, 1) - mean * mean, 0.0))
    return np.float32(mean), np.float32(deviation + 1e-8)
