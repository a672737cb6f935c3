"""Type set in a box: lines of one size, as large as they fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from soundreel.words.breaking import Atom, crumbled, in_lines, may_break
from soundreel.words.letters.shaping import Shaper
from soundreel.words.letters.text import runs_left, visual_order
from soundreel.words.places import Box

MOST_LINES = 2
LEAST_SIZE = 10
"""Pixels; smaller letters are none."""
_ABOVE, _BELOW = Fraction(98, 100), Fraction(30, 100)
"""The base line at least, of the size: fonts of other scripts than Latin ask for more."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Pixels from `begin` to `end` along a line that are sung from `start` to `until`; a script
    that runs left has begin > end."""

    begin: float
    end: float
    start: Fraction
    until: Fraction


@dataclass(frozen=True, slots=True)
class Placed:
    """A word at the left end of its base line. line: its number."""

    text: str
    x: float
    base: int
    leftward: bool
    line: int
    timed: tuple[Timed, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """sizes: pixels of the em, the largest first. leftward: the text runs so. middle: lines are
    centred, and the last one lies at the bottom; else they begin at the box's upper left."""

    shaper: Shaper
    box: Box
    sizes: Sequence[int]
    leftward: bool = False
    middle: bool = True

    def fitting(self, atoms: Sequence[Atom]) -> Iterator[Sequence[Atom]]:
        """As they are where they fit, else in halves, and these so too."""
        if self.lines(atoms)[0] is not None:
            yield atoms
        elif len(atoms) == 1:
            crumbs = crumbled(atoms[0])
            yield from self.fitting(crumbs) if len(crumbs) > 1 else [atoms]
        else:
            middle = _middle(atoms)
            yield from self.fitting(atoms[:middle])
            yield from self.fitting(atoms[middle:])

    def lines(self, atoms: Sequence[Atom]) -> tuple[list[Sequence[Atom]] | None, int]:
        """At the largest size at which they fit; None, and the least one, where they do not."""
        for size in self.sizes:
            found = in_lines(atoms, partial(self._width, size=size), self.box.width, MOST_LINES)
            if found is not None:
                return found, size
        return None, self.sizes[-1]

    def placed(self, atoms: Sequence[Atom], timed: bool = False) -> tuple[list[Placed], int]:
        """Every word at its place, and their size."""
        lines, size = self.lines(atoms)
        lines, (above, below) = lines or [atoms], self._extent(atoms, size)
        base, step = self.box.top + above, above + below
        if self.middle:
            base = self.box.bottom - below - step * (len(lines) - 1)
        words = [
            word
            for number, line in enumerate(lines)
            for word in self._line(line, size, base + number * step, number, timed)
        ]
        return words, size

    def _extent(self, atoms: Sequence[Atom], size: int) -> tuple[int, int]:
        """Pixels above and below the base line."""
        asked = [self.shaper.above_and_below(atom.text, size) for atom in atoms]
        above, below = zip((size * _ABOVE, size * _BELOW), *asked, strict=True)
        return round(max(above)), round(max(below))

    def _width(self, atoms: Sequence[Atom], size: int) -> float:
        blanks = sum(not atom.glued for atom in atoms[1:])
        letters = sum(self.shaper.width(atom.text, size, runs_left(atom.text)) for atom in atoms)
        return letters + blanks * self.shaper.blank(size)

    def _line(
        self, atoms: Sequence[Atom], size: int, base: int, number: int, timed: bool
    ) -> Iterator[Placed]:
        x = float(self.box.left)
        if self.middle:
            x += (self.box.width - self._width(atoms, size)) / 2
        order = list(visual_order([atom.text for atom in atoms], self.leftward))
        for place, (index, leftward) in enumerate(order):
            atom = atoms[index]
            if place and not _joined(order[place - 1][0], index, atoms):
                x += self.shaper.blank(size)
            width = self.shaper.width(atom.text, size, leftward)
            spans = tuple(self._timed(atom, size, x, width, leftward)) if timed else ()
            yield Placed(atom.text, x, base, leftward, number, spans)
            x += width

    def _timed(
        self, atom: Atom, size: int, x: float, width: float, leftward: bool
    ) -> Iterator[Timed]:
        """Parts of a word: where they end is measured by the word up to there."""
        seen, before = 0, 0.0
        for count, (start, until) in atom.stamps:
            seen += count
            after = min(self.shaper.width(atom.text[:seen], size, leftward), width)
            after = width if seen == len(atom.text) else after
            begin, end = (width - before, width - after) if leftward else (before, after)
            yield Timed(x + begin, x + end, start, until)
            before = after


def _middle(atoms: Sequence[Atom]) -> int:
    """Where they are best cut in two: near the middle, where lines may be broken."""
    half = sum(len(atom.text) for atom in atoms) / 2
    seen, found = 0, [(float("inf"), 1)]
    for number, atom in enumerate(atoms):
        if number and may_break(atoms[number - 1], atom):
            found.append((abs(seen - half), number))
        seen += len(atom.text)
    return min(found)[1]


def _joined(one: int, other: int, atoms: Sequence[Atom]) -> bool:
    """Whether two that stand side by side have no blank between them."""
    return abs(one - other) == 1 and atoms[max(one, other)].glued
