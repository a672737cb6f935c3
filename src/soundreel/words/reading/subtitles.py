"""SubRip (srt) and WebVTT: cues of lines below a line with two times.

Both are read by what they have in common, since files mix them. Of SubRip the numbers are not
needed, blank lines may be missing or too many, and coordinates after the times are passed over; of
WebVTT (www.w3.org/TR/webvtt1) headers, notes, styles and regions are. Markup is taken out; a time
inside the text, <00:01.500>, is that of the word after it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

from soundreel.words.reading.drafts import Draft, Place, clock, tidy_text, timed

_TIME = r"(?:\d{1,3}\s*:\s*)?\d{1,3}\s*:\s*\d{1,2}(?:\s*[.,]\s*\d{1,9})?"
_ARROW = re.compile(rf"\s*({_TIME})\s*(?:-{{1,2}}\s?>|[–—→]>?)\s*({_TIME})(?:\s.*)?")
_BAD_ARROW = re.compile(r"\s*[\d:.,\s-]*\d\s*-->.*|.*-->\s*\d+[:.].*")
_INSIDE = re.compile(rf"<\s*({_TIME})\s*>")
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|</>|\{\\[^{}]*\}|\{[/biu]+\}")
_RUBY = re.compile(r"<rt\b[^>]*>.*?</rt>", re.DOTALL)
_NUMBER = re.compile(r"\s*\d{1,9}\s*")
_BLOCKS = ("NOTE", "STYLE", "REGION")
_HINT = "write the times as 00:01:02,500 --> 00:01:04,000"


def is_vtt(text: str) -> bool:
    return re.match(r"WEBVTT(?:\s|$)", text) is not None


def is_srt(text: str) -> bool:
    """Whether there is a line with two times."""
    return any(_ARROW.fullmatch(line) for line in text.splitlines())


def read_vtt(text: str, file: str) -> Iterator[Draft]:
    """Raises InputError naming the line of what is wrong."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        begin = number
        while number < len(lines) and lines[number].strip():
            number += 1
        if block := lines[begin:number]:
            yield from _block(block, begin, file)
        number += 1


def _block(lines: Sequence[str], begin: int, file: str) -> Iterator[Draft]:
    """Of what stands between two blank lines; begin: lines before it."""
    arrow = next((at for at in range(min(2, len(lines))) if "-->" in lines[at]), None)
    if arrow is not None:
        yield _draft(lines[arrow], lines[arrow + 1 :], Place(file, begin + arrow + 1), vtt=True)
    elif begin > 0 and lines[0].split()[0] not in _BLOCKS:
        raise Place(file, begin + 1).wrong(
            f"{lines[0].strip()[:60]!r} stands outside of a cue",
            "take the blank line before it out, or put a line of times above it",
        )


def read_srt(text: str, file: str) -> Iterator[Draft]:
    """Raises InputError naming the line of what is wrong."""
    lines = text.splitlines()
    arrows = [at for at, line in enumerate(lines) if _is_arrow(line)]
    for number, line in enumerate(lines[: min(arrows, default=None)], 1):
        if line.strip() and not _NUMBER.fullmatch(line):
            raise Place(file, number).wrong(
                f"{line.strip()[:60]!r} stands before the first line of times", _HINT
            )
    ends = [*arrows[1:], len(lines)]
    for count, (at, after) in enumerate(zip(arrows, ends, strict=False), 1):
        said = lines[at + 1 : after]
        if after < len(lines):
            own = lines[at - 1] if at else ""
            said = _without_number(said, {str(count + 1), _next(own)})
        yield _draft(lines[at], said, Place(file, at + 1), vtt=False)


def _is_arrow(line: str) -> bool:
    """A broken one too, which is refused later; an arrow between words is none."""
    return bool(_ARROW.fullmatch(line) or _BAD_ARROW.fullmatch(line))


def _next(number: str) -> str:
    return str(int(number) + 1) if _NUMBER.fullmatch(number) else ""


def _without_number(lines: list[str], expected: Collection[str]) -> list[str]:
    """Without the next cue's number: the last line, which is the expected one or follows a blank
    one."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if not end or not _NUMBER.fullmatch(lines[end - 1]):
        return lines
    alone = end == len(lines) and end > 1 and not lines[end - 2].strip()
    return lines[: end - 1] if alone or lines[end - 1].strip() in expected else lines


def _draft(arrow: str, lines: Sequence[str], place: Place, *, vtt: bool) -> Draft:
    match = _ARROW.fullmatch(arrow)
    if match is None:
        raise place.wrong(f"{arrow.strip()[:60]!r} is not a line of two times", _HINT)
    start, end = (clock(time, place, _HINT) for time in match.groups())
    if end <= start:
        raise place.wrong(
            f"the cue ends at {match[2]}, no later than it starts ({match[1]})",
            "put the times right, or take the cue out",
        )
    said = _RUBY.sub("", "\n".join(line for line in lines if line.strip()))
    first, *rest = (_plain(part, vtt) if not at % 2 else part for at, part in _parts(said))
    if not rest:
        return Draft(start, end, tidy_text(first), place)
    times = [clock(time, place, _HINT) for time in rest[::2]]
    pieces: list[tuple[Fraction, str]] = [(start, first), *zip(times, rest[1::2], strict=True)]
    words = timed(pieces, end, place, "put the times of the words in their order")
    return Draft(start, end, "".join(word.text for word in words), place, words)


def _parts(said: str) -> Iterator[tuple[int, str]]:
    """Text and times inside it by turns, counted."""
    yield from enumerate(_INSIDE.split(said))


def _plain(text: str, vtt: bool) -> str:
    text = _MARKUP.sub("", text)
    return html.unescape(text) if vtt else text
