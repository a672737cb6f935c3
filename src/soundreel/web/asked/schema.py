"""The HTTP schema and the form's fields, made from the one table of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from soundreel.options.option import Option
from soundreel.registry import options_model
from soundreel.types import Encoding, Kind, request_class
from soundreel.web.asked.asked import PRESETS
from soundreel.web.asked.fields import (
    FILE_FIELDS,
    engine_fields,
    engines_of,
    last,
    may_be_file,
    rows_of,
)

_KINDS: tuple[Kind, ...] = ("sound", "image")


def options() -> dict[str, Any]:
    """For each kind of video: the options by their own names, and those of the engines."""
    return {
        "object": "options",
        **{kind: {"fields": _fields(kind), "engine": _engine(kind)} for kind in _KINDS},
    }


def models() -> dict[str, Any]:
    engines = ["auto", *engines_of("sound")]
    names = [*engines, *PRESETS]
    entries = [
        {"id": name, "object": "model", "owned_by": "soundreel", "created": 0} for name in names
    ]
    return {"object": "list", "data": entries}


def request_schema() -> dict[str, Any]:
    """Of the body of POST /v1/videos."""
    rows = {**rows_of("image"), **rows_of("sound")}
    properties = {name: _schema(row) for name, row in rows.items()}
    properties |= {"model": {"type": "string", "default": "auto"}, "kind": {"enum": [*_KINDS]}}
    properties["options"] = {"type": "object", "description": "Options of the engine, by name."}
    properties["check"] = {"type": "boolean", "default": True, "description": "Judge the video."}
    properties["name"] = {"type": "string", "maxLength": 200}
    properties["webhook_url"] = {"type": "string", "description": "Told of the end of the job."}
    for name, field in _engine("sound").items():
        properties.setdefault(name, {**field["schema"], "description": field["help"]})
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _fields(kind: Kind) -> list[dict[str, Any]]:
    """Each row once, by its own name."""
    seen: dict[int, dict[str, Any]] = {}
    defaults = _defaults(kind)
    for name, row in rows_of(kind).items():
        if id(row) in seen:
            continue
        seen[id(row)] = {
            "name": name,
            "aliases": [other for other, its in rows_of(kind).items() if its is row][1:],
            "panel": row.panel,
            "help": row.help,
            "rule": row.rule,
            "words": list(row.words),
            "default": row.default
            or (defaults.get(row.fields[0]) if len(row.fields) == 1 else None),
            "many": row.many,
            "takes_upload": not FILE_FIELDS.isdisjoint(row.fields),
            "schema": _schema(row),
        }
    return list(seen.values())


def _defaults(kind: Kind) -> Mapping[str, Any]:
    """Plain ones, by path."""
    own = request_class(kind).__dataclass_fields__
    found = {name: field.default for name, field in own.items()}
    found |= {f"encoding.{n}": f.default for n, f in Encoding.__dataclass_fields__.items()}
    return {name: value for name, value in found.items() if isinstance(value, (str, int, float))}


def _engine(kind: Kind) -> dict[str, Any]:
    return {
        name: {
            "engines": [engine for engine, _ in users],
            "help": users[0][1].description or "",
            "default": _json_default(users[0][1].default),
            "words": _words(users[0][1].annotation),
            "takes_upload": any(may_be_file(field.annotation) for _, field in users),
            "schema": _option_schema(name, users[0][0], kind),
        }
        for name, users in engine_fields(kind).items()
    }


def _option_schema(name: str, engine: str, kind: Kind) -> dict[str, Any]:
    made = options_model(engine, kind).model_json_schema()["properties"][name]
    return {key: value for key, value in made.items() if key not in ("title", "description")}


def _json_default(value: object) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (str, int, float, bool)) else None


def _words(annotation: object) -> list[str]:
    return [str(word) for word in get_args(annotation)] if get_origin(annotation) is Literal else []


def _schema(row: Option) -> dict[str, Any]:
    """As far as its kind says more than "a text that is read"."""
    about = {"description": " ".join(filter(None, (row.help, row.rule)))}
    if len(row.fields) > 1 or not FILE_FIELDS.isdisjoint(row.fields):
        return about
    try:
        made = TypeAdapter(row.kind).json_schema(mode="serialization")
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        made = {}
    return {**_as_given(made), **about}


_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "multiple_of": "multipleOf"}


def _as_given(made: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a value is read as, what may be given: an exact time is a number or a text. What is
    written in its own way says so in words alone."""
    if made.get("format") == "fraction":
        return {"type": ["number", "string"]}
    if made.get("type") == "integer":
        bounds = {_BOUNDS[name]: made[name] for name in _BOUNDS if name in made}
        return {"type": "integer", **bounds}
    if made.get("type") in ("string", "boolean"):
        return {name: made[name] for name in ("type", "enum", "minLength") if name in made}
    return {}


def file_names() -> list[str]:
    """Names of fields that a form may send files in."""
    rows = {**rows_of("image"), **rows_of("sound")}
    return [name for name, row in rows.items() if not FILE_FIELDS.isdisjoint(map(last, row.fields))]
