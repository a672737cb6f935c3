"""Engine name -> engine class, imported on demand (`--help` never imports torch).

Engines of other packages register under the entry point group `soundreel.engines`:
`name = "package.module:EngineClass"`; the class takes a Settings and names its options model
(pydantic) in the class attribute `Options`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from pydantic import BaseModel

from soundreel.config import Settings
from soundreel.engines.base import Engine, parse_options
from soundreel.errors import EngineUnavailable, InputError, SoundreelError, mention
from soundreel.events import Notice, RunControl
from soundreel.types import Request

ENTRY_POINT_GROUP = "soundreel.engines"

AUTO_ORDER = ("wan", "comfyui", "preview")
"""Best first: `--engine auto` takes the first whose preflight passes."""

_BUILT_IN: Mapping[str, tuple[str, str]] = {
    # name: (module with the engine class, module with the light Options model)
    "wan": ("soundreel.engines.wan.engine:WanEngine", "soundreel.engines.wan.options:WanOptions"),
    "comfyui": (
        "soundreel.engines.comfyui.engine:ComfyUIEngine",
        "soundreel.engines.comfyui.options:ComfyUIOptions",
    ),
    "preview": (
        "soundreel.engines.preview.engine:PreviewEngine",
        "soundreel.engines.preview.options:PreviewOptions",
    ),
}


def engine_names() -> tuple[str, ...]:
    return (*AUTO_ORDER, *sorted({*_BUILT_IN, *_plugins()} - set(AUTO_ORDER)))


def create(name: str, settings: Settings) -> Engine:
    """Make the engine. Raises InputError (unknown) or EngineUnavailable (an extra is missing)."""
    _require_known(name)
    try:
        factory = _factory(name)
    except ImportError as err:
        raise EngineUnavailable(
            f"engine {name} cannot be imported: {err}",
            hint=f"install what it needs: pip install 'soundreel[{name}]'",
        ) from err
    return factory(settings)


def choose(request: Request, settings: Settings, control: RunControl) -> str:
    """The engine's name: the one asked for, or the best one that can run here, said in one line.

    Raises EngineUnavailable or InputError if none can.
    """
    if request.engine != "auto":
        create(request.engine, settings).preflight(fit_options(request, control))
        return request.engine
    reasons = []
    for name in AUTO_ORDER:
        candidate = replace(request, engine=name)
        try:
            create(name, settings).preflight(_drop_options(candidate))
        except SoundreelError as err:
            reasons.append(f"{name}: {err.message}")
            continue
        why = f" (not {'; not '.join(reasons)})" if reasons else ""
        control.emit(Notice(f"engine: {name}{why}"))
        return name
    raise EngineUnavailable(f"no engine can run here: {'; '.join(reasons)}", "see soundreel doctor")


def fit_options(request: Request, control: RunControl, *, chosen: bool = False) -> Request:
    """The request with the options that its engine uses, as its options model types them.

    One that it does not use is an error, or a notice where `auto` has `chosen` the engine.
    Raises InputError.
    """
    model = options_model(request.engine)
    unused = sorted(set(request.options) - set(model.model_fields))
    words = f"engine {request.engine} does not use {mention(*unused)}"
    if unused and not chosen:
        raise InputError(
            words,
            hint=f"leave {'it' if len(unused) == 1 else 'them'} out, or choose another engine: "
            + ", ".join(name for name in engine_names() if name != request.engine),
            fields={f"options.{name}": request.options[name] for name in unused},
            rule=f"engine {request.engine} does not use it",
        )
    if unused:
        control.emit(Notice(words))
    fitted = _drop_options(request)
    options = parse_options(model, fitted.options).model_dump(exclude_unset=True)
    return replace(fitted, options=options)


def _drop_options(request: Request) -> Request:
    known = options_model(request.engine).model_fields
    kept = {name: value for name, value in request.options.items() if name in known}
    return replace(request, options=kept)


def options_model(name: str) -> type[BaseModel]:
    """The pydantic model of an engine's options: light, no engine import for the built-in ones."""
    if name in _BUILT_IN:
        return cast(type[BaseModel], _load(_BUILT_IN[name][1]))
    _require_known(name)
    return cast(type[BaseModel], _plugins()[name].load().Options)


def _require_known(name: str) -> None:
    if name not in engine_names():
        raise InputError.about(
            {"engine": name}, "unknown engine", f"choose one of: auto, {', '.join(engine_names())}"
        )


def _factory(name: str) -> Callable[[Settings], Engine]:
    found = _load(_BUILT_IN[name][0]) if name in _BUILT_IN else _plugins()[name].load()
    return cast(Callable[[Settings], Engine], found)


def _load(target: str) -> object:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _plugins() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
