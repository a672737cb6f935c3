"""Lines without times, laid over what sounds: each takes as much of it as it has letters."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

from soundreel.audio.gate import quiet_spans
from soundreel.events import RunControl
from soundreel.types import AudioClip, Span
from soundreel.types.words import Cue

QUIET_DB = -30.0
"""So far below the loud level of a sound nobody speaks."""


def spread(lines: Sequence[str], sound: AudioClip, control: RunControl) -> tuple[Cue, ...]:
    """A cue for each line, in the order of the sound's phrases: pauses are left out. Raises
    InputError where the sound cannot be read."""
    quiet = quiet_spans(sound, QUIET_DB, control) if sound.has_sound else ()
    phrases = _phrases(sound, quiet)
    spans = _shares([_letters(line) for line in lines], phrases)
    return tuple(Cue(line, *span) for line, span in zip(lines, spans, strict=True))


def _letters(text: str) -> int:
    return max(1, sum(char.isalnum() for char in text))


def _phrases(sound: AudioClip, quiet: Iterable[Span]) -> list[Span]:
    """What lies between the quiet spans; all of the sound where all is quiet."""
    begin, end = sound.start, sound.sound_end
    edges = [begin]
    for first, last in quiet:
        edges += [min(max(first, begin), end), min(max(last, begin), end)]
    edges.append(end)
    spans = [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    return [span for span in spans if span[0] < span[1]] or [(begin, end)]


def _shares(weights: Sequence[int], phrases: Sequence[Span]) -> list[Span]:
    """A span for each weight; where one begins at the end of a phrase, it begins with the next."""
    sums = [Fraction(0), *accumulate(end - begin for begin, end in phrases)]
    marks = [sums[-1] * total / sum(weights) for total in (0, *accumulate(weights))]

    def begin_at(mark: Fraction) -> Fraction:
        index = min(bisect_right(sums, mark), len(phrases)) - 1
        return phrases[index][0] + mark - sums[index]

    def end_at(mark: Fraction) -> Fraction:
        index = max(bisect_left(sums, mark), 1) - 1
        return phrases[index][0] + mark - sums[index]

    return [(begin_at(first), end_at(last)) for first, last in pairwise(marks)]
