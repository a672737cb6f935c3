"""Advanced SubStation Alpha (ass) and SubStation Alpha (ssa): text, times, karaoke.

Karaoke tags give the length of the syllable after them in hundredths of a second. Where a karaoke
template of Aegisub was applied, its effects (lines marked fx) repeat each syllable: the lines that
they were made of, kept as comments marked karaoke, are read instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from soundreel.words.reading.drafts import Draft, Place, clock, tidy_text, timed

_FIELDS = (
    *("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect"),
    "text",
)
_EVENT = re.compile(r"\s*(Dialogue|Comment)\s*:(.*)", re.IGNORECASE)
_FORMAT = re.compile(r"\s*Format\s*:(.*)", re.IGNORECASE)
_SECTION = re.compile(r"\s*\[(.*)\]\s*")
_TAGS = re.compile(r"\{([^{}]*)\}")
_KARAOKE = re.compile(r"\\(?:kf|ko|k|K)\s*(\d{1,6})")
_DRAWING = re.compile(r"\\p\s*(\d{1,3})")
_HINT = "write e.g. Dialogue: 0,0:01:02.50,0:01:04.00,Default,,0,0,0,,words"


def is_ass(text: str) -> bool:
    lines = text.splitlines()
    return any(
        line.strip().lower() in ("[script info]", "[events]") or line.startswith("Dialogue:")
        for line in lines
    )


def read(text: str, file: str) -> Iterator[Draft]:
    """Raises InputError naming the line of what is wrong."""
    names: tuple[str, ...] = _FIELDS
    section = "events"
    for number, line in enumerate(text.splitlines(), 1):
        place = Place(file, number)
        if head := _SECTION.fullmatch(line):
            section = head[1].strip().lower()
        elif section == "events" and (order := _FORMAT.fullmatch(line)):
            names = _names(order[1], place)
        elif section == "events" and (event := _EVENT.fullmatch(line)):
            fields = _fields(event[2], names, place)
            wanted = "karaoke" if event[1].lower() == "comment" else ""
            effect = fields.get("effect", "").strip().lower()
            if effect != "fx" and wanted in effect:
                yield from _drafts(fields, place)


def _names(text: str, place: Place) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(","))
    if names[-1] != "text" or not {"start", "end"} <= set(names):
        raise place.wrong(
            f"the fields are {text.strip()[:60]!r}, without Start, End, and Text as the last",
            "write Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text",
        )
    return names


def _fields(text: str, names: tuple[str, ...], place: Place) -> Mapping[str, str]:
    values = text.split(",", len(names) - 1)
    if len(values) < len(names):
        raise place.wrong(f"{len(values)} fields, and an event has {len(names)}", _HINT)
    return dict(zip(names, values, strict=True))


def _drafts(fields: Mapping[str, str], place: Place) -> Iterator[Draft]:
    """None where nothing is shown: no time, or drawings alone."""
    start, end = (clock(fields[name], place, _HINT) for name in ("start", "end"))
    first, *syllables = _syllables(fields["text"], start)
    if end <= start:
        return
    if not syllables:
        yield Draft(start, end, tidy_text(first[1]), place)
        return
    words = timed([first, *syllables], end, place, _HINT)
    yield Draft(start, end, "".join(word.text for word in words), place, words)


def _syllables(text: str, start: Fraction) -> list[tuple[Fraction, str]]:
    """The text before the first karaoke tag, and that after each, with its start."""
    found, time, drawing = [(start, "")], start, False
    for at, part in enumerate(_TAGS.split(text)):
        if at % 2 == 0:
            said = "" if drawing else _plain(part)
            found[-1] = (found[-1][0], found[-1][1] + said)
            continue
        for length in _KARAOKE.findall(part):
            found.append((time, ""))
            time += Fraction(int(length), 100)
        for scale in _DRAWING.findall(part):
            drawing = int(scale) > 0
    return found


def _plain(text: str) -> str:
    return text.replace("\\N", "\n").replace("\\n", " ").replace("\\h", "\u00a0")
