"""Command-line options of the engines, made from their options models: one list, never two."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from soundreel.cli.terminal.spelling import dashed, spell
from soundreel.errors import EngineUnavailable
from soundreel.registry import engine_names, options_model
from soundreel.types import Kind

ENGINE_PANEL = "Engine options"

_METAVARS: Mapping[object, str | None] = {bool: None, int: "N", float: "X", Path: "FILE"}


def engine_parameters(kind: Kind, panel: str = ENGINE_PANEL) -> list[inspect.Parameter]:
    """One keyword parameter for every option name; engines that share a name share the option."""
    users: dict[str, list[tuple[str, FieldInfo]]] = {}
    for engine in engine_names(kind):
        for name, field in _fields(engine, kind).items():
            users.setdefault(name, []).append((engine, field))
    return [_parameter(name, fields, panel) for name, fields in users.items()]


def _fields(engine: str, kind: Kind) -> Mapping[str, FieldInfo]:
    """None of an engine that cannot be imported: others are asked for help then, too."""
    try:
        return options_model(engine, kind).model_fields
    except EngineUnavailable:
        return {}


def _parameter(name: str, users: list[tuple[str, FieldInfo]], panel: str) -> inspect.Parameter:
    kinds = [_Kind.of(field.annotation) for _, field in users]
    listed = all(kind.choices for kind in kinds)
    choices = tuple(dict.fromkeys(choice for kind in kinds for choice in kind.choices if listed))
    scalars = {kind.scalar for kind in kinds}
    scalar: Any = Literal[choices] if choices else scalars.pop() if len(scalars) == 1 else str
    option = typer.Option(
        dashed(name),
        help=spell(f"{users[0][1].description} ({', '.join(engine for engine, _ in users)})"),
        rich_help_panel=panel,
        show_default=False,
        metavar="|".join(choices) or _METAVARS.get(scalar, "TEXT"),
    )
    many = any(kind.many for kind in kinds)
    annotation = list[scalar] | None if many else Optional[scalar]  # noqa: UP045  (a Literal)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation, option],
    )


@dataclass(frozen=True)
class _Kind:
    """What the command line needs to know of a model field such as `int | None`, `Literal["a"]`
    or `tuple[str, ...]`."""

    scalar: type = str
    choices: tuple[str, ...] = ()
    many: bool = False

    @classmethod
    def of(cls, annotation: Any) -> _Kind:
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin in (Union, types.UnionType):
            return cls.of(next(arg for arg in inner if arg is not type(None)))
        if origin is Annotated:
            return cls.of(inner[0])
        if origin is Literal:
            return cls(choices=tuple(map(str, inner)))
        if origin is tuple:
            return replace(cls.of(inner[0]), many=True)
        return cls(annotation) if annotation in (bool, int, float, str, Path) else cls()
