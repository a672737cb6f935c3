"""A list of jobs: a folder of sounds, a TOML file, or lines of JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from soundreel.cli.flags.arguments import option_keys
from soundreel.errors import InputError
from soundreel.types import Kind

_SOURCE = " source"
_SOURCES: Mapping[Kind, Mapping[str, str]] = {
    "sound": {"audio": _SOURCE},
    "image": {"image": _SOURCE},
}

_SOUNDS = frozenset({
    *(".aac", ".aif", ".aiff", ".amr", ".ape", ".caf", ".flac", ".m4a", ".mka", ".mp2", ".mp3"),
    *(".oga", ".ogg", ".opus", ".wav", ".wma", ".wv"),
    *(".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"),
})  # fmt: skip
"""Of a folder's files those that end so are jobs."""

_KINDS = "name a folder of sounds, a .toml with [[job]] tables, or a .jsonl, a job a line"

_SHAPE = "each job is a table of options by their long names: audio, prompt, size, ..."


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as it is listed. place: where, to be said; values: options by their names."""

    place: str
    values: Mapping[str, object]

    @property
    def source(self) -> str:
        """Its sound, or its image, as it is named there."""
        return str(self.values.get("audio") or self.values.get("image") or "")

    @property
    def kind(self) -> Kind:
        kind = self.values.get("kind", "sound" if "audio" in self.values else "image")
        if kind not in ("sound", "image"):
            raise InputError(f"{self.place}: a job's kind is sound or image, not {kind!r:.40}")
        return kind

    def read(self, folder: Path) -> tuple[Path, dict[str, object]]:
        """Its sound, or its image, and its options by their keys. Files are looked for in `folder`
        first. Raises InputError."""
        keys, values = {**option_keys(self.kind), **_SOURCES[self.kind]}, dict[str, object]()
        for written, value in self.values.items():
            name = written.replace("-", "_")
            if name != "kind" and name not in keys:
                raise InputError(
                    f"{self.place}: unknown option {written!r:.60}",
                    hint="use the long option names, without the dashes in front",
                )
            if name != "kind":
                values[keys[name]] = _placed(value, folder)
        source = values.pop(_SOURCE, None)
        if not isinstance(source, str) or not source:
            raise InputError(
                f"{self.place}: neither a sound nor an image is named",
                hint='e.g. audio = "song.mp3"',
            )
        return Path(source), values


def read_jobs(source: Path) -> tuple[Entry, ...]:
    """Raises InputError where the list cannot be read; what a single job says is read later."""
    try:
        if source.is_dir():
            found = sorted(path for path in source.iterdir() if path.suffix.lower() in _SOUNDS)
            jobs = [Entry(path.name, {"audio": path.name}) for path in found]
        else:
            text = source.read_text(encoding="utf-8")
            jobs = list(_lines(text) if source.suffix == ".jsonl" else _tables(text))
    except (OSError, UnicodeDecodeError) as err:
        reason = getattr(err, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"cannot read {source}: {reason}", hint=_KINDS) from err
    if not jobs:
        raise InputError(f"no job in {source}", hint=_KINDS)
    return tuple(jobs)


def _tables(text: str) -> Iterator[Entry]:
    """`[options]` holds for all, `[[job]]` for one."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as err:
        raise InputError(f"the list of jobs is not valid TOML: {err}") from err
    if wrong := sorted(set(document) - {"options", "job"}):
        raise InputError(
            f"a list of jobs has [options] and [[job]], not {wrong[0]!r:.60}", hint=_SHAPE
        )
    shared, tables = document.get("options", {}), document.get("job", [])
    if not isinstance(shared, dict) or not _are_tables(tables):
        raise InputError("[options] is one table, and each [[job]] is one", hint=_SHAPE)
    for number, values in enumerate(tables, 1):
        yield Entry(f"job {number}", {**shared, **values})


def _lines(text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise InputError(f"line {number} is not valid JSON: {err}", hint=_SHAPE) from err
        if not isinstance(values, dict):
            raise InputError(f"line {number} is not an object", hint=_SHAPE)
        yield Entry(f"line {number}", values)


def _are_tables(tables: object) -> bool:
    return isinstance(tables, list) and all(isinstance(each, dict) for each in tables)


def _placed(value: Any, folder: Path) -> Any:
    """A file beside the list by its path; a word, or a file elsewhere, as it is."""
    if isinstance(value, list):
        return [_placed(each, folder) for each in cast(Sequence[Any], value)]
    if not isinstance(value, str) or "\0" in value:
        return value
    beside = folder / value
    return str(beside) if beside.exists() else value
