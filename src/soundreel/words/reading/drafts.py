"""What the readers of the formats have in common: cues as a file writes them, and how they are
settled into cues that follow each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, groupby

from soundreel.errors import InputError
from soundreel.types.words import Cue, Word

LONGEST_S = 8
"""Seconds that a cue stands at most, where the file says only when it begins."""

LONGEST_WORD_S = 2
"""Seconds that the last word of a cue is sung at most, where the file does not say."""

LONGEST_TEXT = 1000
"""Characters of a cue."""

_HOURS = 100
_BLANKS = re.compile(r"[^\S\n\u00a0]+")
_BREAKS = re.compile(r" ?\n[ \n]*")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
_CLOCK = re.compile(r"\s*(?:(\d{1,3})\s*:\s*)?(\d{1,3})\s*:\s*(\d{1,2})(?:\s*[.,]\s*(\d{1,9}))?\s*")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, for messages; lines count from 1."""

    file: str
    line: int

    def wrong(self, what: str, hint: str) -> InputError:
        return InputError(f"{self.file}, line {self.line}: {what}", hint=hint)


@dataclass(frozen=True, slots=True)
class Draft:
    """A cue as a file writes it. end: None where the next one ends it. A draft without text ends
    the one before. words: as `timed` gives them."""

    start: Fraction
    end: Fraction | None
    text: str
    place: Place
    words: tuple[Word, ...] = ()


def clock(text: str, place: Place, hint: str) -> Fraction:
    """Seconds from "1:02", "01:02.5" or "01:02:03,500". Raises InputError."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise place.wrong(f"{_short(text)!r} is not a time", hint)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    if seconds >= 60 or (match[1] is not None and minutes >= 60) or hours >= _HOURS:
        raise place.wrong(f"{_short(text)!r} is not a time: a minute has 60 seconds", hint)
    return hours * 3600 + minutes * 60 + seconds + Fraction(f"0.{match[4] or 0}")


def timed(
    pieces: Sequence[tuple[Fraction, str]], end: Fraction | None, place: Place, hint: str
) -> tuple[Word, ...]:
    """Words of pieces of text with their starts, each sung until the next begins; blanks alone end
    the one before. Raises InputError where a start is earlier than the one before."""
    words: list[Word] = []
    ends = [start for start, _ in pieces[1:]]
    last = pieces[-1][0]
    ends.append(last + LONGEST_WORD_S if end is None else max(end, last))
    for (start, text), until in zip(pieces, ends, strict=True):
        if until < start:
            raise place.wrong(
                f"a word begins at {float(until):.2f} s, before the one that stands before it "
                f"({float(start):.2f} s)",
                hint,
            )
        if text.strip():
            words.append(Word(text, start, until))
        elif words:
            words[-1] = replace(words[-1], text=words[-1].text + text)
    return _tidy(words)


def _tidy(words: list[Word]) -> tuple[Word, ...]:
    """Together they read as `tidy_text` would write it: a blank goes with the word before it."""
    found: list[Word] = []
    for word in words:
        text = _single_blanks(word.text)
        if not found or found[-1].text.endswith((" ", "\n")):
            text = text.lstrip(" \n")
        elif text.startswith((" ", "\n")):
            found[-1] = replace(found[-1], text=found[-1].text + text[0])
            text = text.lstrip(" \n")
        if text:
            found.append(Word(text, word.start, word.end))
    if found:
        found[-1] = replace(found[-1], text=found[-1].text.rstrip(" \n"))
    return tuple(found)


def tidy_text(text: str) -> str:
    """Single blanks, none at the ends of lines, no empty lines, no control characters."""
    return _single_blanks(text).strip(" \n")


def _single_blanks(text: str) -> str:
    return _BREAKS.sub("\n", _BLANKS.sub(" ", _CONTROLS.sub("", text)))


def settled(drafts: Iterable[Draft]) -> tuple[Cue, ...]:
    """Cues in the order of their starts, no two at once.

    Those that start together are one, with a line each, but for lines that are the same; else the
    earlier one ends where the later begins. A cue that only starts ends with the next, or after
    `LONGEST_S`.
    """
    ordered = sorted(drafts, key=lambda draft: draft.start)
    groups = [list(group) for _, group in groupby(ordered, key=lambda draft: draft.start)]
    nexts = chain((group[0].start for group in groups[1:]), (None,))
    found = (_joined(group, after) for group, after in zip(groups, nexts, strict=False))
    return tuple(cue for cue in found if cue is not None)


def _joined(group: list[Draft], after: Fraction | None) -> Cue | None:
    lines = {draft.text: draft for draft in group if draft.text}
    if not lines:
        return None
    end = max(_end(draft, after) for draft in lines.values())
    text = "\n".join(lines)
    words: tuple[Word, ...] = ()
    if any(draft.words for draft in lines.values()):
        words = tuple(
            word
            for draft in lines.values()
            for word in _ending_line(draft.words or (Word(draft.text, draft.start, end),))
        )
        words = (*words[:-1], replace(words[-1], text=words[-1].text.rstrip("\n")))
    start = group[0].start
    return Cue(text, start, end, tuple(_within(word, start, end) for word in words))


def _ending_line(words: tuple[Word, ...]) -> tuple[Word, ...]:
    return (*words[:-1], replace(words[-1], text=f"{words[-1].text}\n"))


def _end(draft: Draft, after: Fraction | None) -> Fraction:
    end = draft.end
    if end is None:
        sung = max((word.end for word in draft.words), default=draft.start)
        end = max(draft.start + LONGEST_S, sung)
    return end if after is None else min(end, after)


def trimmed(cues: Sequence[Cue], start: Fraction, end: Fraction) -> tuple[Cue, ...]:
    """What of them is shown in [start, end)."""
    return tuple(
        Cue(
            cue.text,
            max(cue.start, start),
            min(cue.end, end),
            tuple(_within(word, max(cue.start, start), min(cue.end, end)) for word in cue.words),
        )
        for cue in cues
        if cue.start < end and cue.end > start
    )


def moved(cue: Cue, later: Fraction) -> Cue:
    """The cue by so many seconds later."""
    words = (replace(word, start=word.start + later, end=word.end + later) for word in cue.words)
    return Cue(cue.text, cue.start + later, cue.end + later, tuple(words))


def _within(word: Word, start: Fraction, end: Fraction) -> Word:
    first = min(max(word.start, start), end)
    return replace(word, start=first, end=min(max(word.end, first), end))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
