"""A clip's structure in one value: beats, bars and sections of music, pauses of speech."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.beats import track_beats
from soundreel.audio.structure.bars import Bars, drum_pattern, find_bars, spans_between
from soundreel.audio.structure.listen import CURVE_RATE, Heard, listen
from soundreel.audio.structure.parts import bar_traits, find_borders, name_sections
from soundreel.audio.structure.pauses import find_pauses
from soundreel.events import RunControl
from soundreel.types import AudioClip

DENSITY_S = 4
"""How busy the sound is, is taken over so many seconds."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a piece, from `start` until the next one begins; those that sound alike share a
    name: A, B, …"""

    start: Fraction
    name: str


@dataclass(frozen=True, slots=True)
class Structure:
    """All times in seconds of the sound file, within [start, end].

    tempo: beats a minute, None where there is no steady pulse; then no beats, bars and sections.
    metre: beats a bar. downbeats are among the beats. sections: the first starts at `start`.
    pauses: (begin, end) where it is silent or nearly so. density: how much begins around each
    second of the clip, 0..1 of its busiest.
    """

    start: Fraction
    end: Fraction
    tempo: float | None
    metre: int
    beats: tuple[Fraction, ...]
    downbeats: tuple[Fraction, ...]
    sections: tuple[Section, ...]
    pauses: tuple[tuple[Fraction, Fraction], ...]
    density: tuple[float, ...]


def describe(clip: AudioClip, control: RunControl | None = None) -> Structure:
    """Listen to the clip once and take it apart. Raises InputError."""
    return take_apart(listen(clip, control), clip.start)


def take_apart(heard: Heard, start: Fraction) -> Structure:
    """The structure of what was heard of a clip that begins at `start` in its file."""
    tempo, beats = track_beats(heard.onset.astype(np.float32), float(CURVE_RATE))
    bars = find_bars(heard, beats) if tempo is not None else Bars(0, np.zeros(0, np.int64))

    def time(index: int) -> Fraction:
        return start + Fraction(index, CURVE_RATE)

    downbeats = beats[bars.downbeats]
    return Structure(
        start,
        start + heard.duration,
        tempo,
        bars.metre,
        tuple(map(time, beats.tolist())),
        tuple(map(time, downbeats.tolist())),
        tuple(Section(time(at), name) for at, name in _sections(heard, downbeats, bars.metre)),
        tuple((time(a), time(b)) for a, b in find_pauses(heard.level).tolist()),
        _density(heard),
    )


def _sections(heard: Heard, downbeats: NDArray[np.int64], metre: int) -> list[tuple[int, str]]:
    """(place, name) of every section; the first one at 0."""
    if len(downbeats) < 3:
        return []
    whole = downbeats[:-1]  # what follows the last downbeat may be no whole bar
    traits = bar_traits(
        spans_between(heard.timbre, whole),
        spans_between(heard.chroma, whole),
        drum_pattern(heard, whole, 2 * metre),
    )
    borders = find_borders(traits)
    places = [0, *whole[borders].tolist()]
    return list(zip(places, name_sections(traits, borders), strict=True))


def _density(heard: Heard) -> tuple[float, ...]:
    """Onsets around each second, against the busiest."""
    step, reach = CURVE_RATE, DENSITY_S * CURVE_RATE // 2
    total = np.append(0.0, np.cumsum(heard.onset))
    centres = np.arange(0, len(heard.onset), step)
    begin, end = np.maximum(centres - reach, 0), np.minimum(centres + reach, len(heard.onset))
    mean = (total[end] - total[begin]) / np.maximum(end - begin, 1)
    return tuple((mean / max(float(mean.max(initial=0)), 1e-9)).tolist())
