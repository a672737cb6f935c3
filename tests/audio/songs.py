"""Small songs whose beats, bars and sections are known, since the code here plays them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE = 22050
NOTES = ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")
Mono = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """`bars` bars; chords: one a bar in turn, such as "A" or "F#m".

    kick, snare, hat: places in the bar, in beats. lead: loudness of a melody, pad: of the chords.
    """

    bars: int
    chords: str
    kick: Sequence[float] = ()
    snare: Sequence[float] = ()
    hat: Sequence[float] = ()
    pad: float = 0.08
    lead: float = 0.0
    bass: float = 0.2


@dataclass(frozen=True, slots=True)
class Song:
    """sound: (1, n) at `RATE`; times in seconds; sections: where a new part begins (0 left out)."""

    sound: NDArray[np.float32]
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    sections: tuple[float, ...]


def play(
    bpm: float, metre: int, parts: Sequence[Part], *, pickup: float = 0.3, seed: int = 0
) -> Song:
    """The parts one after the other, after `pickup` seconds of nearly nothing."""
    random = np.random.default_rng(seed)
    beat = 60 / bpm
    total = pickup + sum(part.bars for part in parts) * metre * beat + 1.0
    out = 0.001 * random.standard_normal(round(total * RATE))
    beats, downbeats, sections = [], [], []
    time = pickup
    for part in parts:
        sections.append(time)
        for bar in range(part.bars):
            downbeats.append(time)
            beats += [time + k * beat for k in range(metre)]
            _play_bar(out, part, bar, time, beat, metre, random)
            time += metre * beat
    sound = np.clip(out / np.abs(out).max() * 0.8, -1, 1).astype(np.float32)[None]
    return Song(sound, tuple(beats), tuple(downbeats), tuple(sections[1:]))


def _play_bar(
    out: Mono,
    part: Part,
    bar: int,
    time: float,
    beat: float,
    metre: int,
    random: np.random.Generator,
) -> None:
    names = part.chords.split()
    chord = names[bar % len(names)]
    root = 220 * 2 ** (NOTES.index(chord.removesuffix("m")) / 12)
    third = 2 ** ((3 if chord.endswith("m") else 4) / 12)
    length = metre * beat
    for ratio in (1, third, 1.5):
        _add(out, time, part.pad * _tone(root * ratio, length, 4, attack=0.03))
    for place in range(metre):
        level = part.bass * (1.0 if place == 0 else 0.6)
        if place % 2 == 0:
            _add(out, time + place * beat, level * _tone(root / 4, beat * 0.9, 3, decay=0.5))
        if part.lead:
            note = root * 2 * (1, third, 1.5, 2)[int(random.integers(4))]
            jitter = float(random.normal(0, 0.004))
            _add(
                out, time + place * beat + jitter, part.lead * _tone(note, beat * 0.8, 6, decay=0.4)
            )
    for at in part.kick:
        _add(out, time + at * beat, 0.6 * _kick())
    for at in part.snare:
        _add(out, time + at * beat, 0.3 * _burst(random, 0.15))
    for at in part.hat:
        _add(out, time + at * beat, 0.1 * _burst(random, 0.03, bright=True))


def _add(out: Mono, time: float, tone: Mono) -> None:
    begin = max(0, round(time * RATE))
    end = min(len(out), begin + len(tone))
    out[begin:end] += tone[: end - begin]


def _tone(
    hertz: float, seconds: float, partials: int, *, attack: float = 0.005, decay: float = 4.0
) -> Mono:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, partials + 1))
    shape = (
        np.minimum(time / attack, 1)
        * np.exp(-time / decay)
        * np.minimum((seconds - time) / 0.02, 1)
    )
    return np.asarray(wave * shape)


def _kick() -> Mono:
    time = np.arange(round(0.25 * RATE)) / RATE
    return np.asarray(
        np.sin(2 * np.pi * (50 * time + 4 * (1 - np.exp(-time / 0.03)))) * np.exp(-time / 0.08)
    )


def _burst(random: np.random.Generator, seconds: float, *, bright: bool = False) -> Mono:
    noise = random.standard_normal(round(seconds * RATE))
    if bright:
        noise = np.diff(noise, prepend=0)
    return np.asarray(noise * np.exp(-np.arange(len(noise)) / RATE / (seconds / 4)))


def pop() -> Song:
    """120 beats a minute in four: introduction, verse, chorus, verse, chorus, bridge, chorus."""
    hat = (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5)
    verse = Part(8, "A F#m D E", kick=(0, 2, 2.5), snare=(1, 3), hat=hat, pad=0.05, lead=0.08)
    chorus = Part(8, "D E A F#m", kick=(0, 1, 2, 3), snare=(1, 3), hat=hat, pad=0.14, lead=0.15)
    bridge = Part(4, "Bm D", pad=0.1, bass=0.1, lead=0.05)
    intro = Part(4, "A D", hat=(0, 1, 2, 3), pad=0.1)
    return play(120, 4, (intro, verse, chorus, verse, chorus, bridge, chorus), pickup=0.37, seed=1)


def waltz() -> Song:
    """100 beats a minute in three, without a snare."""
    first = Part(12, "A D E A", kick=(0,), hat=(1, 2), pad=0.06, lead=0.1)
    second = Part(12, "F#m Bm D E", kick=(0,), hat=(1, 2), pad=0.12, lead=0.05, bass=0.3)
    third = Part(8, "C F", pad=0.12, lead=0.12, bass=0.15)
    return play(100, 3, (first, second, first, third, second), pickup=0.9, seed=2)


def march() -> Song:
    """92 beats a minute in four, the kick off the beat at times; never used to choose a number."""
    verse = Part(
        6, "Am Dm C G", kick=(0, 1.5, 2.75), snare=(1, 3), hat=(0.5, 1.5, 2.5, 3.5), lead=0.1
    )
    lift = Part(4, "C G", kick=(0, 2), hat=(0, 1, 2, 3), pad=0.12)
    chorus = Part(
        6,
        "F C G Am",
        kick=(0, 0.75, 2, 2.5),
        snare=(1, 3, 3.75),
        hat=(0, 1, 2, 3),
        pad=0.15,
        lead=0.14,
    )
    quiet = Part(4, "Dm Am", pad=0.07, bass=0.1, lead=0.1)
    return play(
        92, 4, (verse, lift, chorus, verse, lift, chorus, quiet, chorus), pickup=0.15, seed=3
    )
