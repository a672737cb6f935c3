"""Cues on screens: what stands where, how large, from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from soundreel.types import Size
from soundreel.types.words import Cue
from soundreel.words.breaking import Atom, atoms_of, crumbled, in_lines, may_break, spread
from soundreel.words.places import Box, lyrics_box
from soundreel.words.shaping import Shaper
from soundreel.words.text import runs_left, visual_order

MOST_LINES = 2
LINE = Fraction(128, 100)
"""From one base line to the next, of the size."""

_SIZES = {False: Fraction(62, 1000), True: Fraction(100, 1000)}
"""Of the shorter side, of lyrics and of captions."""
_LEAST_SIZE = 10
"""Pixels; smaller letters are none."""
_SHRINKING = tuple(Fraction(percent, 100) for percent in (100, 92, 84, 76, 70))

_WORDS_AT_ONCE, _LETTERS_AT_ONCE = 3, 16
"""Of captions."""


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
    """A word at the left end of its base line."""

    text: str
    x: float
    base: int
    leftward: bool
    width: float
    line: int
    timed: tuple[Timed, ...] = ()


@dataclass(frozen=True, slots=True)
class Screen:
    """What is seen from `start` to `end`; size: pixels of the em."""

    start: Fraction
    end: Fraction
    size: int
    words: tuple[Placed, ...]
    lines: int


def screens_of(cue: Cue, shaper: Shaper, size: Size, captions: bool = False) -> list[Screen]:
    """One, or several after each other where a cue needs more room than there is."""
    atoms = atoms_of(cue)
    if not atoms:
        return []
    box, base = lyrics_box(size), max(_LEAST_SIZE, int(min(size) * _SIZES[captions]))
    setting = _Setting(shaper, box, base, runs_left(cue.text))
    if captions:
        groups = list(_few(spread(cue, atoms)))
    else:
        groups = list(setting.fitting(atoms))
        atoms = atoms if len(groups) == 1 else spread(cue, atoms)
        groups = groups if len(groups) == 1 else list(setting.fitting(atoms))
    starts = [cue.start, *(_begin(group, cue) for group in groups[1:]), cue.end]
    timed = captions or any(word for word in cue.words)
    return [
        setting.screen(part, start, end, timed)
        for group, start, end in zip(groups, starts, starts[1:], strict=False)
        for part, start, end in _within(setting, group, start, end)
    ]


def _within(
    setting: _Setting, group: Sequence[Atom], start: Fraction, end: Fraction
) -> Iterator[tuple[Sequence[Atom], Fraction, Fraction]]:
    """Of captions too: a group that does not fit is shown in parts."""
    parts = list(setting.fitting(group))
    starts = [start, *(part[0].start or start for part in parts[1:]), end]
    yield from zip(parts, starts, starts[1:], strict=False)


def _begin(group: Sequence[Atom], cue: Cue) -> Fraction:
    return min(max(group[0].start or cue.start, cue.start), cue.end)


def _few(atoms: Sequence[Atom]) -> Iterator[list[Atom]]:
    """Words that are seen together in captions."""
    group: list[Atom] = []
    for atom in atoms:
        letters = sum(len(each.text) for each in group) + len(atom.text)
        words = sum(not each.glued for each in group)
        full = letters > _LETTERS_AT_ONCE or (words >= _WORDS_AT_ONCE and not atom.glued)
        if group and (full or group[-1].text[-1] in ".!?…。！？؟।") and may_break(group[-1], atom):
            yield group
            group = []
        group.append(atom)
    yield group


class _Setting:
    """Type of one size and smaller, in a box."""

    def __init__(self, shaper: Shaper, box: Box, size: int, leftward: bool) -> None:
        self._shaper, self._box, self._leftward = shaper, box, leftward
        self._sizes = [max(_LEAST_SIZE, int(size * share)) for share in _SHRINKING]

    def fitting(self, atoms: Sequence[Atom]) -> Iterator[Sequence[Atom]]:
        """As they are where they fit, else in halves, and these so too."""
        if self._lines(atoms)[0] is not None:
            yield atoms
            return
        if len(atoms) == 1:
            crumbs = crumbled(atoms[0])
            if len(crumbs) > 1:
                yield from self.fitting(crumbs)
                return
            yield atoms
            return
        middle = self._middle(atoms)
        yield from self.fitting(atoms[:middle])
        yield from self.fitting(atoms[middle:])

    def screen(
        self, atoms: Sequence[Atom], start: Fraction, end: Fraction, timed: bool
    ) -> Screen:
        lines, size = self._lines(atoms)
        lines = lines or [atoms]
        step = round(size * LINE)
        last = self._box.bottom - round(size * Fraction(30, 100))
        words: list[Placed] = []
        for number, line in enumerate(lines):
            base = last - step * (len(lines) - 1 - number)
            words += self._placed(line, size, base, number, timed)
        return Screen(start, end, size, tuple(words), len(lines))

    def _lines(self, atoms: Sequence[Atom]) -> tuple[list[Sequence[Atom]] | None, int]:
        """As large as they fit."""
        for size in self._sizes:
            found = in_lines(
                atoms, lambda part: self._width(part, size), self._box.width, MOST_LINES  # noqa: B023
            )
            if found is not None:
                return found, size
        return None, self._sizes[-1]

    def _middle(self, atoms: Sequence[Atom]) -> int:
        """Where it is best cut in two: near the middle, where lines may be broken."""
        half = sum(len(atom.text) for atom in atoms) / 2
        seen, found = 0, [(float("inf"), 1)]
        for number, atom in enumerate(atoms):
            if number and may_break(atoms[number - 1], atom):
                found.append((abs(seen - half), number))
            seen += len(atom.text)
        return min(found)[1]

    def _width(self, atoms: Sequence[Atom], size: int) -> float:
        blanks = sum(not atom.glued for atom in atoms[1:])
        letters = sum(self._shaper.width(atom.text, size, self._own(atom)) for atom in atoms)
        return letters + blanks * self._shaper.blank(size)

    def _own(self, atom: Atom) -> bool:
        return runs_left(atom.text)

    def _placed(
        self, atoms: Sequence[Atom], size: int, base: int, line: int, timed: bool
    ) -> Iterator[Placed]:
        x = self._box.left + (self._box.width - self._width(atoms, size)) / 2
        order = list(visual_order([atom.text for atom in atoms], self._leftward))
        for place, (number, leftward) in enumerate(order):
            atom = atoms[number]
            if place and not _joined(order[place - 1][0], number, atoms):
                x += self._shaper.blank(size)
            width = self._shaper.width(atom.text, size, leftward)
            spans = tuple(self._timed(atom, size, x, width, leftward)) if timed else ()
            yield Placed(atom.text, x, base, leftward, width, line, spans)
            x += width

    def _timed(
        self, atom: Atom, size: int, x: float, width: float, leftward: bool
    ) -> Iterator[Timed]:
        """Parts of a word: where they end is measured by the word up to there."""
        whole = max(self._shaper.width(atom.text, size, leftward), 1e-6)
        seen, before = 0, 0.0
        for count, (start, until) in atom.stamps:
            seen += count
            share = self._shaper.width(atom.text[:seen], size, leftward) / whole
            share = 1.0 if seen == len(atom.text) else min(share, 1.0)
            begin, end = x + before * width, x + share * width
            if leftward:
                begin, end = x + width * (1 - before), x + width * (1 - share)
            yield Timed(begin, end, start, until)
            before = share


def _joined(one: int, other: int, atoms: Sequence[Atom]) -> bool:
    """Whether two that stand side by side have no blank between them."""
    return abs(one - other) == 1 and atoms[max(one, other)].glued
