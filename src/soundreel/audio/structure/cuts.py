"""Where a film of the sound may be cut: the cheapest chain of shots between the places that suit.

Music is cut on its beats, best on a downbeat near a change of section, more often where much
happens; speech in its pauses, best in the long ones. Lengths outside the bounds cost more than
anything else, so they come only where the sound offers no place.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from soundreel.audio.structure.describe import Structure

SECTION_WORTH, DOWNBEAT_WORTH, BEAT_WORTH = 4.0, 0.0, -3.0
"""What a cut gains on the first beat of a section, of a bar, and elsewhere."""

PHRASE_WORTH = 0.4
"""More where the bar is the first of four since the section began."""

PAUSE_WORTH = 1.5
"""For every doubling of a pause beyond `USUAL_PAUSE_S`."""

USUAL_PAUSE_S = 0.25

FILLED_WORTH = -4.0
"""A place that continues the beat where none is heard, or any where a sound has neither beats nor
pauses."""

CALMEST, BUSIEST = 0.2, 0.8
"""How far from the longest towards the shortest shot the calmest and the busiest sound asks for."""

LENGTH_COST = 1.5
"""For a shot twice or half as long as suits."""

OUTSIDE_COST = 40.0
"""For a shot outside the bounds by a factor of e: a cut never leaves them to gain something."""

STEP = Fraction(1, 4)


@dataclass(frozen=True, slots=True)
class Place:
    """A time of the sound file at which a cut gains `worth`."""

    time: Fraction
    worth: float


def propose_cuts(
    structure: Structure, shortest: Fraction, longest: Fraction
) -> tuple[Fraction, ...]:
    """Times at which a new shot begins, in seconds of the sound file, start and end left out.

    shortest, longest: seconds of a shot, kept wherever the sound has places for it.
    """
    inside = [p for p in places(structure, longest) if structure.start < p.time < structure.end]
    nodes = [Place(structure.start, 0.0), *inside, Place(structure.end, 0.0)]
    times = [node.time for node in nodes]
    best, source = [0.0] + [-math.inf] * (len(nodes) - 1), [0] * len(nodes)
    for at in range(1, len(nodes)):
        for before in _reachable(times, at, longest):
            length = times[at] - times[before]
            value = best[before] + nodes[at].worth
            value -= _length_cost(length, shortest, longest, _density(structure, times[before]))
            if value > best[at]:
                best[at], source[at] = value, before
    return _walk_back(times, source)


def places(structure: Structure, longest: Fraction) -> list[Place]:
    """All the times at which a cut could lie, rising."""
    found = _beats(structure) if structure.beats else _pauses(structure)
    return _filled(found, structure, longest)


def _beats(structure: Structure) -> list[Place]:
    downbeats, borders = set(structure.downbeats), {s.start for s in structure.sections[1:]}
    found, bar = [], 0
    for beat in structure.beats:
        if beat not in downbeats:
            found.append(Place(beat, BEAT_WORTH))
            continue
        bar = 0 if beat in borders else bar + 1
        worth = SECTION_WORTH if beat in borders else DOWNBEAT_WORTH
        found.append(Place(beat, worth + PHRASE_WORTH * (bar % 4 == 0)))
    return found


def _pauses(structure: Structure) -> list[Place]:
    return [
        Place((a + b) / 2, PAUSE_WORTH * math.log2(float(b - a) / USUAL_PAUSE_S))
        for a, b in structure.pauses
    ]


def _filled(found: list[Place], structure: Structure, longest: Fraction) -> list[Place]:
    """With places added in the same rhythm where there is none for long."""
    beats = structure.beats
    period = (beats[-1] - beats[0]) / (len(beats) - 1) if len(beats) > 1 else STEP
    gap = 2 * period if beats else 2 * longest
    times = [structure.start, *(place.time for place in found), structure.end]
    added = []
    for before, after in pairwise(times):
        if after - before <= gap:
            continue
        backwards = beats and before == structure.start
        count = math.ceil((after - before) / period) - 1
        origin, step = (after, -period) if backwards else (before, period)
        added += [Place(origin + step * k, FILLED_WORTH) for k in range(1, count + 1)]
    return sorted([*found, *added], key=lambda place: place.time)


def _reachable(times: list[Fraction], at: int, longest: Fraction) -> range:
    """Where the shot that ends at node `at` may have begun: one node beyond the bound at least."""
    return range(max(0, min(bisect_left(times, times[at] - longest) - 1, at - 1)), at)


def _length_cost(length: Fraction, shortest: Fraction, longest: Fraction, density: float) -> float:
    """density 0 asks for long shots, 1 for short ones."""
    share = CALMEST + (BUSIEST - CALMEST) * density
    suits = float(longest) * float(shortest / longest) ** share
    cost = LENGTH_COST * math.log2(float(length) / suits) ** 2
    outside = max(float(length / longest), float(shortest / length), 1.0)
    return cost + (OUTSIDE_COST * (1 + math.log(outside)) if outside > 1 else 0.0)


def _density(structure: Structure, time: Fraction) -> float:
    second = int(time - structure.start)
    return structure.density[min(second, len(structure.density) - 1)] if structure.density else 0.5


def _walk_back(times: list[Fraction], source: list[int]) -> tuple[Fraction, ...]:
    at, cuts = source[-1], []
    while at > 0:
        cuts.append(times[at])
        at = source[at]
    return tuple(reversed(cuts))
