"""Which beats begin a bar: metre and downbeats from bass, harmony and what repeats.

A bar is seen by three things: the harmony changes on its first beat, the bass falls there, and the
pattern of the drums comes back after it. The most likely walk through the places of a bar follows
(Viterbi, as in bar pointer models: Whiteley, Cemgil and Godsill, "Bayesian Modelling of Temporal
Structure in Musical Audio", 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.structure.listen import CURVE_RATE, SPECTRUM_RATE, Curve, Heard

METRES = (3, 4, 5, 6, 7)
"""Beats a bar that are told apart; two in a bar are heard as four."""

COMMON_METRE = 4
COMMON_GAIN = 0.05
"""Four in a bar wins where another repeats only so much better."""

STRAY = 0.005
"""Chance that a bar is a beat too short or too long, or that a beat was missed."""

HARMONY_WEIGHT, BASS_WEIGHT, ONSET_WEIGHT = 1.0, 0.5, 0.2
"""What a change of harmony, a bass note and a loud onset say of a downbeat."""


@dataclass(frozen=True, slots=True)
class Bars:
    """metre: beats a bar. downbeats: indices into the beats, rising."""

    metre: int
    downbeats: NDArray[np.int64]


def find_bars(heard: Heard, beats: NDArray[np.int64]) -> Bars:
    """The bars of a clip whose beats (indices of `Heard`'s quick curves) are known."""
    harmony = chroma_change(heard, beats)
    bass, onset = _peak_at(heard.bass, beats), _peak_at(heard.onset, beats)
    metre = _metre(np.stack([harmony, bass, onset, _brightness(heard, beats)], axis=1))
    evidence = HARMONY_WEIGHT * _standard(harmony) + BASS_WEIGHT * _standard(bass)
    places = _walk(evidence + ONSET_WEIGHT * _standard(onset), metre)
    return Bars(metre, np.flatnonzero(places == 0))


def spans_between(curve: Curve, beats: NDArray[np.int64]) -> Curve:
    """(K, n): mean of a slow curve from each beat to the next."""
    edges = np.append(beats, beats[-1] + (beats[-1] - beats[-2])) * SPECTRUM_RATE / CURVE_RATE
    total = np.vstack([np.zeros(curve.shape[1]), np.cumsum(curve, axis=0)])
    places = np.minimum(np.rint(edges).astype(int), len(curve))
    lengths = np.maximum(np.diff(places), 1)[:, None]
    mean: Curve = (total[places[1:]] - total[places[:-1]]) / lengths
    return mean


def chroma_change(heard: Heard, beats: NDArray[np.int64]) -> Curve:
    """(K,) how different the harmony is from each beat on, against the beats before: 0..1."""
    chroma = spans_between(heard.chroma, beats)
    short = _change(chroma, 1)
    return (short + _change(chroma, 2)) / 2


def _change(rows: Curve, reach: int) -> Curve:
    total = np.vstack([np.zeros(rows.shape[1]), np.cumsum(rows, axis=0)])
    index = np.arange(len(rows))
    after = total[np.minimum(index + reach, len(rows))] - total[index]
    before = total[index] - total[np.maximum(index - reach, 0)]
    size = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    alike = (after * before).sum(axis=1) / np.maximum(size, 1e-9)
    return np.where(size > 0, 1 - alike, 0.0)


def _peak_at(curve: Curve, beats: NDArray[np.int64]) -> Curve:
    """The largest value within 40 ms of each beat."""
    reach = CURVE_RATE // 25
    padded = np.pad(curve, reach)
    return np.asarray(np.max([padded[beats + shift] for shift in range(2 * reach + 1)], axis=0))


def _brightness(heard: Heard, beats: NDArray[np.int64]) -> Curve:
    """Treble against bass from each beat to the next: a snare is told from a kick."""
    timbre = spans_between(heard.timbre, beats)
    half = timbre.shape[1] // 2
    return np.asarray(timbre[:, half:].mean(axis=1) - timbre[:, :half].mean(axis=1))


def _standard(values: Curve) -> Curve:
    return np.asarray((values - values.mean()) / (values.std() or 1.0))


def _metre(traits: Curve) -> int:
    """The number of beats after which the traits come back best, against the other distances."""
    rows = np.stack([_standard(column) for column in traits.T], axis=1)
    if len(rows) <= 2 * max(METRES):
        return COMMON_METRE
    similar = [1.0] + [float((rows[lag:] * rows[:-lag]).mean()) for lag in range(1, 15)]

    def gain(metre: int) -> float:
        on = [similar[metre], similar[2 * metre]]
        off = [similar[lag] for lag in range(1, 2 * metre) if lag % metre]
        return sum(on) / 2 - sum(off) / len(off) + COMMON_GAIN * (metre == COMMON_METRE)

    return max(METRES, key=gain)


def _walk(evidence: Curve, metre: int) -> NDArray[np.int64]:
    """The place in the bar of every beat."""
    stray = np.log(STRAY / metre)
    score, source = np.zeros(metre), np.zeros((len(evidence), metre), np.int64)
    follow = (np.arange(metre) - 1) % metre
    for beat, value in enumerate(evidence):
        jump = int(score.argmax())
        steady = score[follow] + np.log(1 - STRAY)
        source[beat] = np.where(steady >= score[jump] + stray, follow, jump)
        score = np.maximum(steady, score[jump] + stray)
        score[0] += value
        score[1:] -= value / (metre - 1)
    places = np.zeros(len(evidence), np.int64)
    place = int(score.argmax())
    for beat in range(len(evidence) - 1, -1, -1):
        places[beat] = place
        place = int(source[beat, place])
    return places


def drum_pattern(heard: Heard, downbeats: NDArray[np.int64], steps: int) -> Curve:
    """(bars, 2 * steps): onset and bass rise in each of `steps` equal parts of every bar."""
    ends = np.append(downbeats, downbeats[-1] + (downbeats[-1] - downbeats[-2]))
    places = ends[:-1, None] + np.diff(ends)[:, None] * np.arange(steps + 1) / steps
    edges = np.clip(np.rint(places - 2).astype(int), 0, len(heard.onset))
    parts = []
    for curve in (heard.onset, heard.bass):
        total = np.append(0.0, np.cumsum(curve))
        parts.append(total[edges[:, 1:]] - total[edges[:, :-1]])
    return np.concatenate(parts, axis=1)
