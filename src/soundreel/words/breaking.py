"""A cue in pieces that are not broken, with their times, and these in lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from soundreel.types.words import Cue
from soundreel.words.letters.text import NOT_FIRST, NOT_LAST, cleaned, clusters, is_ideographic

Span = tuple[Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Atom:
    """What stays on one line: a word, or a character of a script without blanks.

    glued: no blank before it. ends_line: the file has a line break after it.
    stamps: (number of its characters, begin and end) of its parts that have times, from its first
        character on; () where it has none.
    """

    text: str
    glued: bool = False
    ends_line: bool = False
    stamps: tuple[tuple[int, Span], ...] = ()

    @property
    def start(self) -> Fraction | None:
        return self.stamps[0][1][0] if self.stamps else None


def atoms_of(cue: Cue) -> list[Atom]:
    """With the times of its words, where it has some."""
    text = cleaned(cue.text)
    times = _times(text, cue)
    found: list[Atom] = []
    at = 0
    for line in text.split("\n"):
        for word in line.split(" "):
            glued = False
            for part in _unbroken(word):
                span = times[at : at + len(part)]
                found.append(Atom(part, glued, stamps=_stamps(span)))
                at += len(part)
                glued = True
            at += 1
        if found:
            found[-1] = replace(found[-1], ends_line=True)
    return [atom for atom in found if atom.text]


def spread(cue: Cue, atoms: Sequence[Atom]) -> list[Atom]:
    """With times where they have none: the cue's, shared by letters."""
    if any(atom.stamps for atom in atoms):
        return list(atoms)
    total = sum(len(atom.text) for atom in atoms)
    found, seen = [], 0
    for atom in atoms:
        begin, seen = seen, seen + len(atom.text)
        length = cue.end - cue.start
        span = (cue.start + length * begin / total, cue.start + length * seen / total)
        found.append(replace(atom, stamps=((len(atom.text), span),)))
    return found


def in_lines(
    atoms: Sequence[Atom], width: Callable[[Sequence[Atom]], float], widest: float, most: int
) -> list[Sequence[Atom]] | None:
    """At most `most` lines of about one length, each no wider than `widest`; None where that
    cannot be. The file's own break is kept where both its lines fit."""
    breaks = [n for n, atom in enumerate(atoms, 1) if atom.ends_line and n < len(atoms)]
    if len(breaks) == 1 < most:
        parts = [atoms[: breaks[0]], atoms[breaks[0] :]]
        if all(width(part) <= widest for part in parts):
            return parts
    if width(atoms) <= widest:
        return [atoms]
    if most < 2:
        return None
    cuts = [n for n in range(1, len(atoms)) if may_break(atoms[n - 1], atoms[n])]
    pairs = [(atoms[:n], atoms[n:]) for n in cuts]
    fitting = [pair for pair in pairs if max(map(width, pair)) <= widest]
    return [*min(fitting, key=lambda pair: _uneven(pair, width))] if fitting else None


def _uneven(pair: Sequence[Sequence[Atom]], width: Callable[..., float]) -> float:
    """Less where the first line ends with a pause."""
    paused = pair[0][-1].text[-1] in ",.;:!?–—،。，、"
    return max(width(pair[0]), width(pair[1])) * (0.85 if paused else 1)


def may_break(before: Atom, after: Atom) -> bool:
    return after.text[0] not in NOT_FIRST and before.text[-1] not in NOT_LAST


def crumbled(atom: Atom) -> list[Atom]:
    """A word that fits no line, in characters."""
    found, rest = [], list(atom.stamps)
    for number, part in enumerate(clusters(atom.text)):
        stamps = ((len(part), rest[0][1]),) if rest else ()
        found.append(Atom(part, atom.glued or number > 0, stamps=stamps))
        if rest:
            count, span = rest.pop(0)
            if count > len(part):
                rest.insert(0, (count - len(part), span))
    return found


def _unbroken(word: str) -> list[str]:
    """A word between blanks, cut where a script without blanks may be."""
    parts: list[str] = []
    for cluster in clusters(word):
        free = is_ideographic(cluster[0]) or bool(parts and is_ideographic(parts[-1][-1]))
        if parts and not (free and cluster[0] not in NOT_FIRST and parts[-1][-1] not in NOT_LAST):
            parts[-1] += cluster
        else:
            parts.append(cluster)
    return parts


def _times(text: str, cue: Cue) -> list[Span | None]:
    """Of each character of the text."""
    times: list[Span | None] = [None] * len(text)
    at = 0
    for word in cue.words:
        own = cleaned(word.text)
        found = text.find(own, at) if own else -1
        if found >= 0:
            at = found + len(own)
            times[found:at] = [(word.start, word.end)] * len(own)
    return times


def _stamps(times: Sequence[Span | None]) -> tuple[tuple[int, Span], ...]:
    """Characters without a time of their own, as a comma, go with those before them."""
    span = next((time for time in times if time is not None), None)
    found: list[tuple[int, Span]] = []
    if span is None:
        return ()
    for time in times:
        span = time or span
        if found and found[-1][1] == span:
            found[-1] = (found[-1][0] + 1, span)
        else:
            found.append((1, span))
    return tuple(found)
