"""Cues that were found in a sound, as an unfinished job notes them: finding them anew might give
others, under another release of what hears them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from soundreel.errors import WorkError
from soundreel.types import Cue, Word
from soundreel.work.job import Fixed


def kept(fixed: Fixed, find: Callable[[], tuple[Cue, ...]]) -> tuple[Cue, ...]:
    """What `find` gave when the job began. Raises WorkError where the note cannot be read."""
    noted = fixed("cues", lambda: [_note(cue) for cue in find()])
    try:
        return tuple(_cue(*each) for each in noted)
    except (TypeError, ValueError, ZeroDivisionError) as err:
        raise WorkError(
            f"what this job noted of its words cannot be read: {err!r}",
            hint="remove its work folder, then run the same command again",
        ) from err


def _note(cue: Cue) -> list[object]:
    words = [[word.text, str(word.start), str(word.end)] for word in cue.words]
    return [cue.text, str(cue.start), str(cue.end), words]


def _cue(text: str, start: str, end: str, words: list[list[str]]) -> Cue:
    sung = (Word(str(said), Fraction(first), Fraction(last)) for said, first, last in words)
    return Cue(str(text), Fraction(start), Fraction(end), tuple(sung))
