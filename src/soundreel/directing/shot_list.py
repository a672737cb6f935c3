"""The list of shots as a person writes it, in TOML, on the sound file's own clock.

    [[shot]]
    start = "0:00"
    prompt = "calm sea"

    [[shot]]
    start = "0:12.5"            # to the next shot, or until `end`
    image = "boat.png"          # beside this list
    seed = 7
    options = { steps = 8 }     # of the engine

Read by `tomllib`, which keeps no lines: they are found again for messages.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from soundreel.directing.text_file import read_text
from soundreel.errors import InputError
from soundreel.media.image import load_image
from soundreel.options.faces import with_masks
from soundreel.options.shot_request import ShotRequest
from soundreel.timeline.grid import format_clock

KEYS = tuple(field.name for field in fields(ShotRequest) if field.compare)
_HINT = "soundreel plan AUDIO -o shots.toml writes a list to begin with"
_MOST_BYTES = 4 << 20
_HEADER = re.compile(r"\s*\[\[\s*shot\s*\]\]")
_TABLE = re.compile(r"\s*\[{1,2}\s*([\w.]+)\s*\]{1,2}")


def read_shot_list(path: Path) -> tuple[ShotRequest, ...]:
    """Raises InputError naming the line of what is wrong; images are opened once."""
    text = read_text(path, "a list of shots", _MOST_BYTES, _HINT)
    tables = _tables(text, path)
    lines = _Lines(text, path)
    shots = tuple(_shot(table, number, lines) for number, table in enumerate(tables))
    require_in_order(shots)
    return shots


def require_in_order(shots: tuple[ShotRequest, ...]) -> None:
    """InputError where a shot begins before the one before it has ended, or later."""
    for index, shot in enumerate(shots):
        if shot.end is not None and shot.end <= shot.start:
            raise _wrong(shot, index, f"ends at {format_clock(shot.end)}, not after its start")
        if index == 0:
            continue
        before = shots[index - 1]
        if shot.start <= before.start:
            start = format_clock(before.start)
            raise _wrong(shot, index, f"does not start after the one before it, at {start}")
        if before.end is not None and shot.start > before.end:
            ended = format_clock(before.end)
            raise _wrong(shot, index, f"leaves a gap: the one before it ends at {ended}")
        if before.end is not None and shot.start < before.end:
            ended = format_clock(before.end)
            raise _wrong(shot, index, f"overlaps the one before it, which ends at {ended}")


def named(shot: ShotRequest, index: int) -> str:
    """What messages call a shot: "shot 3 at 0:12.5 (shots.toml, line 9)"."""
    place = f" ({shot.place})" if shot.place else ""
    return f"shot {index + 1} at {format_clock(shot.start)}{place}"


def _wrong(shot: ShotRequest, index: int, what: str) -> InputError:
    return InputError(
        f"{named(shot, index)} {what}",
        hint="leave `end` out, and a shot goes on to the start of the next",
        fields={"shots": format_clock(shot.start)},
        rule="shots follow each other without gap and overlap",
    )


def _tables(text: str, path: Path) -> list[Mapping[str, Any]]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as err:  # its message names the line
        raise InputError(f"{path.name} is not valid TOML: {err}", hint=_HINT) from err
    unknown = sorted(set(document) - {"shot"})
    if unknown:
        line = _first_line(text, unknown[0])
        raise InputError(
            f"{path.name}{line}: unknown key {unknown[0]!r}",
            hint="a list of shots has [[shot]] tables and nothing else",
        )
    tables = document.get("shot", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise InputError(f"{path.name} lists no shot: write [[shot]] tables", hint=_HINT)
    return tables


def _first_line(text: str, key: str) -> str:
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}\b")
    found = (number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line))
    number = next(found, None)
    return "" if number is None else f", line {number}"


class _Lines:
    """Where the shots and their keys stand in the text."""

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        self._lines = text.splitlines()
        self._headers = [n for n, line in enumerate(self._lines) if _HEADER.match(line)]

    def place(self, number: int, key: str | None = None) -> str:
        """ "shots.toml, line 9" of shot `number` (from 0), or of a key in it."""
        if number >= len(self._headers):
            return f"{self.path.name}, shot {number + 1}"
        first = self._headers[number]
        line = first if key is None else self._line_of(first, key)
        return f"{self.path.name}, line {line + 1}"

    def _line_of(self, first: int, key: str) -> int:
        pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        for number in range(first + 1, len(self._lines)):
            line = self._lines[number]
            table = _TABLE.match(line)
            if _HEADER.match(line):
                return first
            if pattern.match(line) or (table and table[1] == f"shot.{key}"):
                return number
        return first


def _shot(table: Mapping[str, Any], number: int, lines: _Lines) -> ShotRequest:
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise InputError(
            f"{lines.place(number, unknown[0])}: unknown key {unknown[0]!r}",
            hint=f"a shot has {', '.join(KEYS)}",
        )
    if "start" not in table:
        raise InputError(
            f"{lines.place(number)}: the shot has no start", hint='write e.g. start = "0:12.5"'
        )
    try:
        shot = ShotRequest(**table, place=lines.place(number))
    except InputError as err:
        key = next(iter(err.fields), "").partition(".")[0]
        raise InputError(
            f"{lines.place(number, key)}: {err.message}", err.hint, fields=err.fields, rule=err.rule
        ) from err
    return _with_pictures(shot, number, lines)


def _with_pictures(shot: ShotRequest, number: int, lines: _Lines) -> ShotRequest:
    """Its pictures are named from where the list lies."""

    def found(path: Path | None, key: str) -> Path | None:
        if path is None:
            return None
        picture = lines.path.parent / path.expanduser()
        try:
            load_image(picture)
        except InputError as err:
            raise InputError(f"{lines.place(number, key)}: {err.message}", err.hint) from err
        return picture

    faces = with_masks(shot.faces, lambda mask: found(mask, "faces"))
    return replace(shot, image=found(shot.image, "image"), faces=faces)
