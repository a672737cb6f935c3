"""The file's sound against the sound that it was made from, to the sample.

Block by block the shift is found at which the two agree best; where it changes, samples are lost or
added, and the place is the one that leaves the least difference on its two sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.load import probe
from soundreel.audio.segment import stream
from soundreel.events import RunControl
from soundreel.proof.rules.reaction import FEWEST
from soundreel.proof.rules.verdict import Line, clock_text, milliseconds
from soundreel.proof.senses.heard import Bands, Floats, Heard
from soundreel.proof.senses.lag import Pair, measure
from soundreel.timeline.grid import first_sample
from soundreel.types import AudioClip

BLOCK = 16384
"""Samples compared at a time: a clock that runs wrong by 0.1 % lets 16 slip by within one."""

NEAR_S, WIDE_S = 0.25, 8.0
"""The shift is looked for about the last one, and so far around where two blocks in turn do not
fit: one may have a cut within it."""

ALIKE = 0.5
"""Correlation from which two blocks are the same sound: AAC leaves 0.95 and more of music, other
music reaches 0.2."""

QUIET = 1e-3
"""-60 dBFS: quieter blocks say nothing of the shift."""

AS_GOOD = 0.98
"""A steady tone fits at every period: a shift that fits as well and is no change is taken."""

FINE, FINE_NEAR = 0.3, 48
"""Correlation of the high tones alone from which they say the exact sample, and how many samples
around. Opus turns the phase of low tones: a bass drum fits best 4 to 10 samples off, and none is
lost. Where all tones agree with the shift before, these are not asked: of them
few bits leave noise."""

EXCERPT_S = 1
"""A file that says nothing of itself and begins this far inside the source is an excerpt; an offset
shorter than that is a fault."""

STEP_S, LONGEST_S = 0.02, 60.0
"""Levels of bands that tell a clock far wrong are compared at this step, for so long."""

SAME_RATIO = 5.0
"""How clear their lag must be: the same sound gives 6 to 20, another one 3."""

DRIFT_STEPS = 4
"""From so many changes in one direction on it is a clock that runs wrong."""

AHEAD_S = 5
"""So much is read at a time."""

_LEAST_TAIL_S = 0.02
_COARSE = 8000
"""Hz at which the beginning is looked for in the whole source."""


@dataclass(frozen=True, slots=True)
class Change:
    """At `position` (sample of the file) the source jumps by `samples`: lost if positive, added if
    negative."""

    position: int
    samples: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """first, last: sample of the source at the file's sample 0, as its beginning and its end have
    it. changes: where that changes. rate: of both, Hz. drift: source seconds a second of the file,
    less 1. source, file: lengths. strange: samples of the file where another sound is heard."""

    first: int
    last: int
    changes: tuple[Change, ...]
    rate: int
    drift: float
    source: int
    file: int
    strange: tuple[int, ...]


def lines(
    heard: Heard, against: Path, record: Mapping[str, Any] | None, control: RunControl
) -> Iterator[Line]:
    request, plan = ({}, {}) if record is None else (record["request"], record.get("plan", {}))
    track = request.get("track")
    start = Fraction(str(request.get("start", 0)))
    alignment = align(heard, against, start, track, control)
    if alignment is None:
        yield Line("source", "fail", f"the sound is not that of {against.name}")
        return
    if alignment.drift:
        yield _kept(alignment)
        return
    yield _offset(alignment, start, recorded=record is not None)
    yield _kept(alignment)
    asked = plan.get("sound_duration")
    yield _tail(alignment, None if asked is None else start + Fraction(asked))


def _offset(found: Alignment, start: Fraction, *, recorded: bool) -> Line:
    offset = found.first - first_sample(start, found.rate)
    seconds = offset / found.rate
    figures = {"offset_samples": float(offset), "offset_s": seconds}
    if not offset:
        return Line("offset", "ok", "the sound begins on the source's sample", (), figures)
    if not recorded and seconds >= EXCERPT_S:
        return Line("offset", "note", f"an excerpt from {clock_text(seconds)} of the source",
                    (), figures)  # fmt: skip
    way = "late" if offset < 0 else "early"
    return Line("offset", "fail", f"the sound comes {abs(offset)} samples "
                f"({abs(seconds) * 1000:.2f} ms) {way}", (0.0,), figures)  # fmt: skip


def _kept(found: Alignment) -> Line:
    lost = sum(change.samples for change in found.changes if change.samples > 0)
    added = -sum(change.samples for change in found.changes if change.samples < 0)
    places = tuple(change.position / found.rate for change in found.changes)
    figures = {"lost_samples": float(lost), "added_samples": float(added), "drift": found.drift}
    if found.drift:
        way = "slow" if found.drift < 0 else "fast"
        return Line("samples", "fail", f"the sound runs {abs(found.drift) * 100:.2f} % too {way}, "
                    f"{milliseconds((found.last - found.first) / found.rate)} by the end",
                    (), figures)  # fmt: skip
    if found.changes:
        what = [
            f"{abs(change.samples)} {'lost' if change.samples > 0 else 'added'} at "
            f"{clock_text(change.position / found.rate)}"
            for change in found.changes[:3]
        ]
        more = f" and {len(found.changes) - 3} more" if len(found.changes) > 3 else ""
        return Line("samples", "fail", f"samples {', '.join(what)}{more}", places, figures)
    strange = [at for at in found.strange if {at - BLOCK, at + BLOCK} & set(found.strange)]
    if strange:
        places = tuple(position / found.rate for position in strange)
        return Line("samples", "fail", f"another sound than the source's for "
                    f"{len(places) * BLOCK / found.rate:.1f} s from {clock_text(places[0])}",
                    places, figures)  # fmt: skip
    return Line("samples", "ok", "none lost, none added", (), figures)


def _tail(found: Alignment, asked: Fraction | None) -> Line:
    """asked: second of the source to which the file was to go; None is its end."""
    whole = found.source if asked is None else min(found.source, first_sample(asked, found.rate))
    missing = (whole - found.last - found.file) / found.rate
    figures = {"missing_s": max(0.0, missing)}
    if missing <= _LEAST_TAIL_S:
        return Line("tail", "ok", "the sound goes on to its end", (), figures)
    return Line("tail", "fail", f"the last {missing:.3f} s of the sound are missing",
                (found.file / found.rate,), figures)  # fmt: skip


def align(
    heard: Heard, against: Path, start: Fraction, track: int | None, control: RunControl
) -> Alignment | None:
    """How the file's sound lies on the source's; None where it is not that sound.

    start: second of the source where it should begin. Raises InputError.
    """
    info = probe(against, allow_truncated=True, track=track, control=control)
    rate = heard.clip.rate
    source_length = first_sample(info.duration, rate)
    source = _Window(against, info.duration, rate, track, control)
    file = _Window(heard.clip.path, heard.clip.duration, rate, None, control)
    length = first_sample(heard.clip.duration, rate)
    found: list[tuple[int, int]] = []
    strange: list[int] = []
    shift, sure = first_sample(start, rate), False
    for position in range(0, length, BLOCK):
        block = file.take(position, min(position + BLOCK, length))
        if len(block) < BLOCK // 4 or np.sqrt(np.mean(block**2)) < QUIET:
            continue
        best = _best_shift(block, source, position, shift, int(NEAR_S * rate))
        if best is None and (not sure or position - BLOCK in strange[-1:]):
            best = _best_shift(block, source, position, shift, int(WIDE_S * rate))
        if best is None and not sure and not strange:
            near = _somewhere(block, rate, against, info.duration, track, control)
            if near is not None:
                source = _Window(against, info.duration, rate, track, control)
                best = _best_shift(block, source, position, near - position, int(NEAR_S * rate))
        if best is None:
            strange.append(position)
            continue
        shift, sure = best, True
        found.append((position, shift))
    if len(found) <= len(strange):
        clock = _wrong_clock(heard, info.clip, control)
        if not clock:
            return None
        return Alignment(0, -round(clock * length), (), rate, -clock, length, length, ())
    drift = _drift(found)
    changes = () if drift else tuple(_changes(found, heard, against, track, rate, control))
    return Alignment(
        found[0][1], found[-1][1], changes, rate, drift, source_length, length, tuple(strange)
    )


def _best_shift(
    block: Floats, source: _Window, position: int, shift: int, reach: int
) -> int | None:
    """The sample of the source at the file's 0, looked for so far around `shift`."""
    around = source.take(position + shift - reach, position + shift + len(block) + reach)
    size = 1 << (len(around) + len(block) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(block, size)), size)
    alike = _alike(cross[: 2 * reach + 1], block, around)
    best = int(alike.argmax())
    if alike[best] < ALIKE:
        return None
    if best == reach:
        return shift
    exact = _by_high_tones(block, around, best)
    as_before = alike[reach] >= AS_GOOD * alike[best]
    if as_before and (exact is None or _is_tone(alike, best)):
        return shift
    return shift + (best if exact is None else exact) - reach


def _by_high_tones(block: Floats, around: Floats, best: int) -> int | None:
    """The place about `best` at which the high tones agree; None where there are hardly any."""
    first, last = max(0, best - FINE_NEAR), min(len(around) - len(block), best + FINE_NEAR)
    high, near = np.diff(block, n=2), np.diff(around[first : last + len(block)], n=2)
    alike = _alike(np.correlate(near, high), high, near)
    exact = int(alike.argmax())
    return first + exact if alike[exact] >= FINE else None


def _alike(cross: Floats, block: Floats, around: Floats) -> Floats:
    """Correlations from the sums of products at each place of the block on what lies around it."""
    power = np.concatenate([[0.0], np.cumsum(around**2)])
    energy = power[len(block) :] - power[: -len(block)]
    return np.asarray(cross / np.sqrt(np.maximum(energy * (block @ block), 1e-12)))


def _is_tone(alike: Floats, best: int) -> bool:
    """Whether other shifts, beyond the peak's own flanks, fit as well."""
    below = np.flatnonzero(alike[best:] < 0.5 * alike[best])
    width = int(below[0]) if below.size else len(alike)
    far = np.concatenate([alike[: max(0, best - width)], alike[best + width :]])
    return bool(far.size and far.max() >= AS_GOOD * alike[best])


def _drift(found: list[tuple[int, int]]) -> float:
    """Slope of the shift, where it changes steadily; 0 where it stands or jumps."""
    if len(found) < 2 * DRIFT_STEPS:
        return 0.0
    positions, shifts = (np.array(each, np.float64) for each in zip(*found, strict=True))
    steps = np.diff(shifts)
    moved = steps[np.abs(steps) > 0]
    if len(moved) < DRIFT_STEPS or abs(np.sign(moved).sum()) < 0.9 * len(moved):
        return 0.0
    slope, base = np.polyfit(positions, shifts, 1)
    rest = shifts - (slope * positions + base)
    return float(slope) if rest.std() < 0.15 * shifts.std() else 0.0


def _wrong_clock(heard: Heard, source: AudioClip, control: RunControl) -> float:
    """By how much the file runs slower, where it runs so wrong that no block fits: told by the
    levels of its bands in the first minute. 0 where it is another sound."""
    end = min(float(heard.clip.duration), LONGEST_S)
    times = np.arange(0, end, STEP_S)
    if len(times) < FEWEST:
        return 0.0
    ours, theirs = (Bands(clip, 0, end, control) for clip in (heard.clip, source))
    pair = Pair(
        times, ours.decibels(times, STEP_S), lambda lags: theirs.decibels(times - lags, STEP_S)
    )
    lag = measure(pair)
    return lag.slope if lag.ratio >= SAME_RATIO else 0.0


def _changes(
    found: list[tuple[int, int]],
    heard: Heard,
    against: Path,
    track: int | None,
    rate: int,
    control: RunControl,
) -> Iterator[Change]:
    """Each change of the shift, at its sample."""
    source = _Window(against, None, rate, track, control)
    file = _Window(heard.clip.path, None, rate, None, control)
    for (begin, before), (end, after) in pairwise(_settled(found)):
        if before == after:
            continue
        begin, end = max(0, begin - BLOCK // 2), end + BLOCK
        block = file.take(begin, end)
        one, two = (source.take(begin + by, begin + by + len(block)) for by in (before, after))
        gain = float(np.sqrt((block @ block) / max(float(one @ one), 1e-12)))
        wrong = np.cumsum((block - gain * two) ** 2 - (block - gain * one) ** 2)
        yield Change(begin + int(wrong.argmax()) + 1, after - before)


def _settled(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without a block that fits neither the one before nor the one after, which do not fit each
    other either: the cut lies within it."""
    kept = found[:1]
    for block, after in pairwise(found[1:]):
        if len({kept[-1][1], block[1], after[1]}) < 3:
            kept.append(block)
    return kept + found[1:][-1:]


def _somewhere(
    block: Floats,
    rate: int,
    against: Path,
    duration: Fraction,
    track: int | None,
    control: RunControl,
) -> int | None:
    """About which sample of the source the block begins at, searched in all of it."""
    want = block[:: max(1, rate // _COARSE)]
    step = max(1, rate // _COARSE)
    source = _Window(against, duration, rate, track, control)
    span, best = 30 * rate, (0.0, 0)
    for begin in range(0, first_sample(duration, rate), span):
        around = source.take(begin, begin + span + len(block))[::step]
        size = 1 << (len(around) + len(want)).bit_length()
        cross = np.fft.irfft(np.fft.rfft(around, size) * np.conj(np.fft.rfft(want, size)), size)
        power = np.concatenate([[0.0], np.cumsum(around**2)])
        energy = power[len(want) :] - power[: -len(want)]
        alike = cross[: len(energy)] / np.sqrt(np.maximum(energy * (want @ want), 1e-12))
        at = int(alike.argmax())
        best = max(best, (float(alike[at]), begin + at * step))
    return best[1] if best[0] >= ALIKE else None


class _Window:
    """A file's sound as one channel, read forward; the last stretches can be taken again."""

    def __init__(
        self,
        path: Path,
        duration: Fraction | None,
        rate: int,
        track: int | None,
        control: RunControl,
    ) -> None:
        length = duration or probe(path, allow_truncated=True, track=track).duration
        self._blocks = stream(
            path, Fraction(0), length, rate=rate, allow_truncated=True, track=track, control=control
        )
        self._held = np.zeros(0, np.float32)
        self._first = 0
        self._keep, self._ahead = int(1.5 * WIDE_S * rate), int(AHEAD_S * rate)

    def take(self, begin: int, end: int) -> Floats:
        """Samples [begin, end); silence outside the file."""
        if self._first + len(self._held) < end:
            self._read(end + self._ahead, begin - self._keep)
        inside = self._held[max(0, begin - self._first) : max(0, end - self._first)]
        out = np.zeros(end - begin)
        before = max(0, self._first - begin)
        out[before : before + len(inside)] = inside
        return out

    def _read(self, end: int, spare: int) -> None:
        """Hold all up to `end`, and let go what lies before `spare`."""
        held, reached = [self._held], self._first + len(self._held)
        while reached < end and (block := next(self._blocks, None)) is not None:
            held.append(_one_channel(block))
            reached += block.shape[1]
        gone = max(0, min(spare, reached) - self._first)
        self._held, self._first = np.concatenate(held)[gone:], self._first + gone


def _one_channel(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels by unequal weights: none is missed, and none cancels another."""
    weights = 1 / (1 + np.arange(block.shape[0], dtype=np.float32) / 2)
    return np.asarray(weights @ block / weights.sum(), np.float32)
