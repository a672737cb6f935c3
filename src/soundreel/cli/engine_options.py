"""Command-line options of the engines, made from their options models: one list, never two."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import typer
from pydantic.fields import FieldInfo

from soundreel.registry import AUTO_ORDER, options_model

ENGINE_PANEL = "Engine options"


def engine_parameters(panel: str = ENGINE_PANEL) -> list[inspect.Parameter]:
    """One keyword parameter for every option name; engines that share a name share the option."""
    users: dict[str, list[str]] = {}
    fields: dict[str, FieldInfo] = {}
    for engine in AUTO_ORDER:
        for name, field in options_model(engine).model_fields.items():
            users.setdefault(name, []).append(engine)
            fields.setdefault(name, field)
    return [_parameter(name, field, users[name], panel) for name, field in fields.items()]


def _parameter(name: str, field: FieldInfo, users: list[str], panel: str) -> inspect.Parameter:
    kind, choices, many = _cli_type(field.annotation)
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=f"{field.description} ({', '.join(users)})",
        rich_help_panel=panel,
        show_default=False,
        click_type=click.Choice(choices) if choices else None,
    )
    annotation: Any = Union[list[kind] if many else kind, None]  # type: ignore[valid-type]  # noqa: UP007
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation, option],
    )


def _cli_type(annotation: Any) -> tuple[type, tuple[str, ...], bool]:
    """Scalar type, choices and repeatability of a model field, e.g. tuple[str, ...]."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not type(None)]
        return _cli_type(inner[0])
    if origin is Annotated:
        return _cli_type(get_args(annotation)[0])
    if origin is Literal:
        return str, tuple(str(arg) for arg in get_args(annotation)), False
    if origin is tuple:
        return _cli_type(get_args(annotation)[0])[0], (), True
    if annotation in (bool, int, float, str, Path):
        return annotation, (), False
    return str, (), False
