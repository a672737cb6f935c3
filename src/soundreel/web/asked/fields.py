"""The names that a client may send, from the one table of options and the engines' models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from soundreel.errors import EngineUnavailable
from soundreel.options.image_table import IMAGE_OPTIONS
from soundreel.options.option import Option
from soundreel.options.table import REQUEST_OPTIONS
from soundreel.registry import engine_names, options_model
from soundreel.types import Kind

LOCAL_FIELDS = frozenset({"output", "separator", "cover", "engine", "font"})
"""What no client names: places on this machine; `model` says the engine."""

FILE_FIELDS = frozenset(
    {"audio", "image", "last_frame", "drive", "images", "turns", "cast", "prompts", "shots"}
    | {"lyrics", "captions", "artwork", "logo"}
)
"""Fields with files, which a client gives as uploads."""

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
def engine_fields(kind: Kind) -> Mapping[str, tuple[tuple[str, FieldInfo], ...]]:
    """The options of the engines by name, each with the engines that have it; none that is a
    file of this machine."""
    found: dict[str, tuple[tuple[str, FieldInfo], ...]] = {}
    for engine, model in _models(kind):
        for name, field in model.model_fields.items():
            if not _is_path(field.annotation):
                found[name] = (*found.get(name, ()), (engine, field))
    return found


def _models(kind: Kind) -> Iterator[tuple[str, type[BaseModel]]]:
    """Without the model of an engine whose packages are not there."""
    for name in engine_names(kind):
        try:
            yield name, options_model(name, kind)
        except EngineUnavailable:
            continue


def _is_path(annotation: Any) -> bool:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType, Annotated, tuple, list):
        return any(_is_path(each) for each in inner if each is not NoneType)
    return getattr(annotation, "__name__", "") == "Path"


def last(path: str) -> str:
    """The name of a field: "encoding.crf" -> "crf"."""
    return path.rpartition(".")[2]
