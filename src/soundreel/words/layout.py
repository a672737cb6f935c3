"""Cues on screens: what is seen together, from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from soundreel.types import Size
from soundreel.types.words import Cue
from soundreel.words.breaking import Atom, atoms_of, may_break, spread
from soundreel.words.letters.shaping import Shaper
from soundreel.words.letters.text import runs_left
from soundreel.words.places import lyrics_box
from soundreel.words.setting import LEAST_SIZE, Placed, Setting

_SIZES = {False: Fraction(66, 1000), True: Fraction(105, 1000)}
"""Of the shorter side, of lyrics and of captions."""
_SHRINKING = tuple(Fraction(percent, 100) for percent in (100, 92, 84, 76, 70))
"""Before a cue is shown in parts."""

_WORDS_AT_ONCE, _LETTERS_AT_ONCE = 3, 16
"""Of captions."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What is seen from `start` to `end`; size: pixels of the em."""

    start: Fraction
    end: Fraction
    size: int
    words: tuple[Placed, ...]


def screens_of(cue: Cue, shaper: Shaper, size: Size, captions: bool = False) -> list[Screen]:
    """One, or several after each other where a cue needs more room than there is."""
    atoms = atoms_of(cue)
    sizes = [max(LEAST_SIZE, int(min(size) * _SIZES[captions] * share)) for share in _SHRINKING]
    setting = Setting(shaper, lyrics_box(size), sizes, runs_left(cue.text))
    timed = captions or any(atom.stamps for atom in atoms)
    if captions or len(list(setting.fitting(atoms))) > 1:
        atoms = spread(cue, atoms)
    together = _few(atoms) if captions else (atoms,)
    groups = [part for group in together for part in setting.fitting(group)]
    starts = [cue.start, *(_begin(group, cue) for group in groups[1:]), cue.end]
    screens = []
    for group, (start, end) in zip(groups, pairwise(starts), strict=True):
        words, em = setting.placed(group, timed)
        screens.append(Screen(start, end, em, tuple(words)))
    return screens


def _begin(group: Sequence[Atom], cue: Cue) -> Fraction:
    begin = group[0].start
    return cue.start if begin is None else min(max(begin, cue.start), cue.end)


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
