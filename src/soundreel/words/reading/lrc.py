"""LRC: lines of lyrics that begin with their times, [01:02.50].

There is no standard. Several times before a line repeat it; a line without text ends the one
before; a time inside a line, <01:03.00> or [01:03.00], is that of the word after it ("enhanced", or
A2); F:, M: and D: before the words say who sings (Walaoke) and are left out; [offset:500] shows all
words half a second earlier. Source: en.wikipedia.org/wiki/LRC_(file_format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from soundreel.words.reading.drafts import Draft, Place, clock, tidy_text, timed

_TIME = r"\d{1,3}:\d{1,2}(?:[.:,]\d{1,9})?|\d{1,2}:\d{1,2}:\d{1,2}[.,]\d{1,9}"
_STAMP = re.compile(rf"[\[<]\s*({_TIME})\s*[\]>]")
_FIRST = re.compile(rf"\s*\[\s*({_TIME})\s*\]")
_LABEL = re.compile(r"\s*\[\s*([A-Za-z#][^\]:]*):(.*)\]\s*")
_HEADING = re.compile(r"\s*\[[^\]]*\]\s*")
_SINGER = re.compile(r"\s*(?:[FMD]|v\d):\s*")
_HINT = "write each line as [01:02.50] words, or take it out"
_MOST_OFFSET_S = 3600


def is_lrc(text: str) -> bool:
    """Whether a line begins with a time in brackets."""
    return any(_FIRST.match(line) for line in text.splitlines())


def read(text: str, file: str) -> Iterator[Draft]:
    """Raises InputError naming the line of what is wrong."""
    lines = [(Place(file, number), line) for number, line in enumerate(text.splitlines(), 1)]
    offset = Fraction(0)
    for place, line in lines:
        if (label := _LABEL.fullmatch(line)) and label[1].strip().lower() == "offset":
            offset = _offset(label[2], place)
    for place, line in lines:
        if not line.strip() or _FIRST.match(line) is None:
            _require_label(line, place)
            continue
        yield from _line(line, offset, place)


def _offset(text: str, place: Place) -> Fraction:
    match = re.fullmatch(r"\s*([+-]?\d{1,9})\s*(?:ms)?\s*", text)
    if match is None or abs(int(match[1])) > _MOST_OFFSET_S * 1000:
        raise place.wrong(
            f"the offset is {text.strip()!r}, and it is whole milliseconds, an hour at most",
            "write e.g. [offset:500] for words that shall come half a second earlier",
        )
    return Fraction(int(match[1]), 1000)


def _require_label(line: str, place: Place) -> None:
    if line.strip() and not _LABEL.fullmatch(line) and not _HEADING.fullmatch(line):
        raise place.wrong(f"{line.strip()[:60]!r} has no time before it", _HINT)


def _line(line: str, offset: Fraction, place: Place) -> Iterator[Draft]:
    """One draft for each time before the words."""
    starts = list[Fraction]()
    while match := _FIRST.match(line):
        starts.append(_clock(match[1], place))
        line = line[match.end() :]
    if singer := _SINGER.match(line):
        line = line[singer.end() :]
    parts = _STAMP.split(line)
    for start in starts:
        later = start - starts[0] - offset
        if len(parts) == 1:
            yield Draft(max(Fraction(0), start - offset), None, tidy_text(line), place)
            continue
        pieces = [(starts[0], parts[0])] if parts[0].strip() else []
        pieces += [
            (_clock(time, place), said) for time, said in zip(parts[1::2], parts[2::2], strict=True)
        ]
        yield _enhanced([(max(Fraction(0), at + later), said) for at, said in pieces], place)


def _enhanced(pieces: list[tuple[Fraction, str]], place: Place) -> Draft:
    """A time after the last word ends the line."""
    end = pieces.pop()[0] if len(pieces) > 1 and not pieces[-1][1].strip() else None
    words = timed(pieces, end, place, "put the words in the order in which they are sung")
    start = words[0].start if words else pieces[0][0]
    text = "".join(word.text for word in words)
    return Draft(start, end if end is not None and end > start else None, text, place, words)


def _clock(text: str, place: Place) -> Fraction:
    """[01:02:50] is 1 minute and 2.50 seconds."""
    if text.count(":") == 2 and "." not in text and "," not in text:
        text = ".".join(text.rsplit(":", 1))
    return clock(text, place, _HINT)
