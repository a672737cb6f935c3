"""The names that a client may send, from the one table of options and the engines' models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from soundreel.errors import EngineUnavailable
from soundreel.options.image_table import IMAGE_OPTIONS
from soundreel.options.option import Option
from soundreel.options.table import REQUEST_OPTIONS
from soundreel.registry import engine_names, options_model
from soundreel.types import Kind

LOCAL_FIELDS = frozenset({"output", "separator", "font", "cover", "engine", "recogniser"})
"""What no client names: files of this machine; `model` says the engine."""

LOCAL_OPTIONS = frozenset({"workflow"})
"""Options of engines that no client gives: a graph is a program for the ComfyUI server."""

TEXT_ENDINGS = (".srt", ".vtt", ".ass", ".lrc", ".rttm", ".json", ".txt")
"""Of uploads that are texts; these formats are told apart by the names of the files."""

MAPPED: Mapping[str, str] = {
    "seconds": "duration",
    "audio_reference": "audio",
    "input_reference": "image",
}
"""The names that the field's video API has for ours."""


@cache
def rows_of(kind: Kind) -> Mapping[str, Option]:
    """Every name of a row, without those of this machine: the fields' own and the classic ones."""
    named: dict[str, Option] = {}
    for row in IMAGE_OPTIONS if kind == "image" else REQUEST_OPTIONS:
        if LOCAL_FIELDS.isdisjoint(row.fields):
            own = (last(row.fields[0]),) if len(row.fields) == 1 else ()
            for name in (*own, *(name.rstrip("_") for name in row.names if name[1:])):
                named.setdefault(name, row)
    for name, path in MAPPED.items():
        named[name] = next(row for row in named.values() if row.fields == (path,))
    return named


@cache
def engines_of(kind: Kind) -> tuple[str, ...]:
    """Looked for among the installed packages once."""
    return engine_names(kind)


@cache
def engine_fields(kind: Kind) -> Mapping[str, tuple[tuple[str, FieldInfo], ...]]:
    """The options of the engines by name, each with the engines that have it."""
    found: dict[str, tuple[tuple[str, FieldInfo], ...]] = {}
    for engine, model in _models(kind):
        for name, field in model.model_fields.items():
            if name not in LOCAL_OPTIONS:
                found[name] = (*found.get(name, ()), (engine, field))
    return found


def _models(kind: Kind) -> Iterator[tuple[str, type[BaseModel]]]:
    """Without the model of an engine whose packages are not there."""
    for name in engines_of(kind):
        try:
            yield name, options_model(name, kind)
        except EngineUnavailable:
            continue


def may_be_file(annotation: Any) -> bool:
    """Whether a value of that type may be the name of a file, or hold one."""
    if annotation is Path:
        return True
    return any(may_be_file(each) for each in get_args(annotation))


FILE_FIELDS = frozenset(
    row.fields[0]
    for row in (*REQUEST_OPTIONS, *IMAGE_OPTIONS)
    if may_be_file(row.kind) and LOCAL_FIELDS.isdisjoint(row.fields)
)
"""Fields with files, which a client gives as uploads."""


def last(path: str) -> str:
    """The name of a field: "encoding.crf" -> "crf"."""
    return path.rpartition(".")[2]
