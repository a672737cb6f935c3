"""Who speaks when, as other programs write it: RTTM, SRT and VTT with names, JSON.

All times are those of the sound file. RTTM is NIST's (fields: type, file, channel, start, length,
two unused, speaker); subtitles name the speaker as `<v Anna>`, `Anna: ` or `[Anna] `, and a cue
without a name goes on with the one before; JSON is a list of {start, end, speaker}, alone or under
"turns" or "segments".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from soundreel.directing.text_file import read_text
from soundreel.errors import InputError
from soundreel.options.texts import read_time

_HINT = "give a list of turns as .rttm, .srt, .vtt or .json"
_MOST_BYTES = 16 << 20
_ARROW = re.compile(r"\s*([\d:.,]+)\s+-->\s+([\d:.,]+)(?:\s.*)?")
_NAME = re.compile(
    r"\s*-?\s*(?:<v(?:\.[^\s>]+)*\s+([^>]+)>|\[([^\]]+)\]|([^\W\d_][^:<>\s]*(?: [^:<>\s]+){0,2}):)"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody speaks from `start` to `end`, seconds in the sound file. place: where it is written,
    for messages."""

    start: Fraction
    end: Fraction
    speaker: str
    place: str = ""


def read_turns(path: Path) -> tuple[Turn, ...]:
    """The turns of a file by their starts. Raises InputError naming the line of what is wrong."""
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError.about({"turns": path}, "its name says no kind of list", _HINT)
    turns = sorted(
        read(read_text(path, "a list of turns", _MOST_BYTES, _HINT), path),
        key=lambda turn: turn.start,
    )
    if not turns:
        raise InputError.about({"turns": path}, "nobody speaks in that file", _HINT)
    return tuple(turns)


def _rttm(text: str, path: Path) -> Iterator[Turn]:
    for number, line in enumerate(text.splitlines(), 1):
        place, words = f"{path.name}, line {number}", line.split()
        if not words or words[0] != "SPEAKER":
            continue
        if len(words) < 8:
            raise InputError(
                f"{place}: {len(words)} fields, and a speaker stands in the eighth",
                hint="SPEAKER file 1 START LENGTH <NA> <NA> NAME <NA> <NA>",
            )
        start, length = _time(words[3], place), _time(words[4], place)
        yield _turn(start, start + length, words[7], place)


def _subtitles(text: str, path: Path) -> Iterator[Turn]:
    lines, speaker = text.splitlines(), ""
    for number, line in enumerate(lines):
        if (arrow := _ARROW.fullmatch(line)) is None:
            continue
        place = f"{path.name}, line {number + 1}"
        speaker = _speaker(lines[number + 1 :], speaker, place)
        start, end = (_time(time.replace(",", "."), place) for time in arrow.groups())
        yield _turn(start, end, speaker, place)


def _speaker(lines: list[str], before: str, place: str) -> str:
    """Who is named in the first paragraph of `lines`."""
    names = dict[str, None]()
    for line in lines:
        if not line.strip():
            break
        if match := _NAME.match(line):
            names[next(name for name in match.groups() if name).strip()] = None
    if len(names) > 1:
        raise InputError(
            f"{place}: {' and '.join(names)} speak at once",
            hint="make a cue of each, one after the other",
        )
    if not names and not before:
        raise InputError(
            f"{place}: nobody is named", hint="write who speaks before the words, as Anna: ..."
        )
    return next(iter(names), before)


def _json(text: str, path: Path) -> Iterator[Turn]:
    try:
        found: Any = json.loads(text, parse_float=str)  # 0.1 is a tenth
    except (ValueError, RecursionError) as err:
        raise InputError(f"{path.name} is not valid JSON: {err}", hint=_HINT) from err
    if isinstance(found, Mapping):
        found = found.get("turns", found.get("segments"))
    if not isinstance(found, list):
        raise InputError(f"{path.name} holds no list of turns", hint=_JSON_HINT)
    for number, item in enumerate(found, 1):
        place = f"{path.name}, turn {number}"
        if not isinstance(item, Mapping):
            raise InputError(f"{place} is not a table", hint=_JSON_HINT)
        for key in ("start", "end", "speaker"):
            if key not in item:
                raise InputError(f"{place} has no {key!r}", hint=_JSON_HINT)
        start, end = _time(item["start"], place), _time(item["end"], place)
        yield _turn(start, end, item["speaker"], place)


_JSON_HINT = 'write [{"start": 0, "end": 12.5, "speaker": "anna"}, ...]'


def _turn(start: Fraction, end: Fraction, speaker: object, place: str) -> Turn:
    if not isinstance(speaker, str) or not speaker.strip():
        raise InputError(f"{place}: {speaker!r} is not the name of a speaker", hint=_HINT)
    if end <= start:
        raise InputError(f"{place}: it ends no later than it starts", hint="take it out")
    return Turn(start, end, speaker.strip(), place)


def _time(value: object, place: str) -> Fraction:
    try:
        return read_time(value)
    except ValueError as err:
        raise InputError(f"{place}: {value!r} is {err}", hint=_HINT) from err


_READERS: Mapping[str, Callable[[str, Path], Iterator[Turn]]] = {
    ".rttm": _rttm,
    ".srt": _subtitles,
    ".vtt": _subtitles,
    ".json": _json,
}
