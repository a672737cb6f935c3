"""Engine name -> engine class, imported on demand (`--help` never imports torch).

What an engine can make it says by what it registers: a class for each kind of request. Engines of
other packages register under the entry point groups `soundreel.engines` (of a sound) and
`soundreel.image_engines` (of an image): `name = "package.module:EngineClass"`; the class takes a
Settings and names its options model (pydantic) in the class attribute `Options`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from pydantic import BaseModel

from soundreel.config import Settings
from soundreel.engines.base import Engine, Ready, Recalling, parse_options
from soundreel.errors import Cancelled, EngineUnavailable, InputError, SoundreelError, mention
from soundreel.events import Notice, RunControl
from soundreel.installation import install_command
from soundreel.media.marks import TRAINED
from soundreel.timeline.grid import format_clock
from soundreel.timeline.sizes import for_engine
from soundreel.types import Check, Kind, Request, ShotRequest

ENTRY_POINT_GROUPS: Mapping[Kind, str] = {
    "sound": "soundreel.engines",
    "image": "soundreel.image_engines",
}

AUTO_ORDER = ("wan", "comfyui", "preview")
"""Best first: `--engine auto` takes the first that finds all it needs."""

_BUILT_IN: Mapping[Kind, Mapping[str, tuple[str, str]]] = {
    # name: (module with the engine class, module with the light Options model)
    "sound": {
        "wan": (
            "soundreel.engines.wan.engine:WanEngine",
            "soundreel.engines.wan.options:WanOptions",
        ),
        "comfyui": (
            "soundreel.engines.comfyui.engine:ComfyUIEngine",
            "soundreel.engines.comfyui.options:ComfyUIOptions",
        ),
        "preview": (
            "soundreel.engines.preview.engine:PreviewEngine",
            "soundreel.engines.preview.options:PreviewOptions",
        ),
    },
    "image": {
        "wan": (
            "soundreel.engines.wan.image.engine:WanImageEngine",
            "soundreel.engines.wan.image.options:WanImageOptions",
        ),
        "comfyui": (
            "soundreel.engines.comfyui.image_engine:ComfyUIImageEngine",
            "soundreel.engines.comfyui.options:ComfyUIImageOptions",
        ),
        "preview": (
            "soundreel.engines.preview.engine:PreviewImageEngine",
            "soundreel.engines.preview.options:PreviewImageOptions",
        ),
    },
}


_VIDEOS: Mapping[Kind, str] = {"sound": "video of a sound", "image": "video of an image"}

_EXTRAS = ("wan",)
"""Engines whose packages an extra brings."""


def engine_names(kind: Kind = "sound") -> tuple[str, ...]:
    """Of those that make videos of that kind, best first."""
    known = {*_BUILT_IN[kind], *_plugins(kind)}
    first = tuple(name for name in AUTO_ORDER if name in known)
    return (*first, *sorted(known - set(first)))


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that can run the request. request: names it, with the options that it uses."""

    engine: Engine
    request: Request
    ready: Ready


def create(name: str, settings: Settings, kind: Kind = "sound") -> Engine:
    """Make the engine. Raises InputError (unknown, or for another kind of request) or
    EngineUnavailable (it cannot be used)."""
    made = _engine_class(name, kind)
    if not hasattr(made, "find"):
        raise EngineUnavailable(
            f"engine {name} was written for soundreel 0.1; since then an engine is asked once: "
            "find(request) takes the place of preflight and returns what has identity, estimate "
            "and open",
            hint="update the package that it comes from; docs/writing-an-engine.md shows how",
        )
    with _blamed(name, "cannot be made"):
        return cast(Callable[[Settings], Engine], made)(settings)


def source_type(engine: Engine, request: Request) -> str:
    """Where the engine's pictures come from, in the words of `media.marks`: see
    `engines.base.Declaring`."""
    declare = getattr(engine, "source_type", None)
    if declare is None:
        return TRAINED
    with _blamed(engine.name, "cannot say where its pictures come from"):
        return str(declare(request))


def diagnose(name: str, settings: Settings, kind: Kind = "sound") -> Sequence[Check]:
    """What `soundreel doctor` shows for the engine. Raises as `create`."""
    engine = create(name, settings, kind)
    with _blamed(name, "cannot be asked"):
        return list(engine.diagnose())


def checks(name: str, settings: Settings, kind: Kind = "sound") -> list[Check]:
    """As `diagnose`; what it raises is a line too."""
    try:
        return list(diagnose(name, settings, kind))
    except SoundreelError as err:
        return [Check(name, ok=False, found=err.message, hint=err.hint)]


def choose(
    request: Request, settings: Settings, control: RunControl, begun: str | None = None
) -> Choice:
    """The engine that is asked for, or the best one that can run here, said in one line.

    begun: the engine that a job began with under `auto`; it ends with no other.
    Raises EngineUnavailable or InputError if none can.
    """
    auto = request.engine == "auto"
    if auto and begun is None:
        return _best(request, settings, control)
    named = replace(request, engine=begun or request.engine)
    engine = create(named.engine, settings, named.kind)
    fitted = fit_options(named, control, chosen=auto)
    with _blamed(named.engine, "cannot look for what it needs"):
        ready = _find(engine, fitted)
        _ = ready.identity, ready.estimate, ready.open
    return Choice(engine, fitted, ready)


def _best(request: Request, settings: Settings, control: RunControl) -> Choice:
    reasons = []
    for name in (name for name in engine_names(request.kind) if name in AUTO_ORDER):
        candidate = replace(request, engine=name)
        try:
            engine = create(name, settings, request.kind)
            ready = _find(engine, _drop_options(candidate))
        except SoundreelError as err:
            reasons.append(f"{name}: {err.message}")
            continue
        if drawback := getattr(ready, "drawback", ""):  # few engines have any
            reasons.append(f"{name}: {drawback}; {mention(engine=name)} takes it all the same")
            continue
        why = f" (not {'; not '.join(reasons)})" if reasons else ""
        control.emit(Notice(f"engine: {name}{why}"))
        return Choice(engine, fit_options(candidate, control, chosen=True), ready)
    raise EngineUnavailable(f"no engine can run here: {'; '.join(reasons)}", "see soundreel doctor")


def writes_titles(engine: Engine, request: Request) -> bool:
    """Whether the engine has a place of its own for title and artist in this request's pictures."""
    asked = getattr(engine, "writes_titles", None)
    return asked is not None and bool(asked(request))


def require_overlay(engine: Engine, request: Request) -> None:
    """Raises InputError where an overlay is asked for, and the engine fills its pictures."""
    if request.encoding.alpha and not getattr(engine, "draws_overlay", False):
        raise InputError.about(
            {"engine": engine.name},
            "its pictures fill the frame, and an overlay is clear where nothing is drawn",
            hint=f"take {mention(engine='preview')}, or leave out {mention(alpha=True)}",
        )


def _find(engine: Engine, request: Request) -> Ready:
    require_overlay(engine, request)
    return engine.find(for_engine(request, engine.geometry(request)))


def fit_options(request: Request, control: RunControl, *, chosen: bool = False) -> Request:
    """The request with the options that its engine uses, as its options model types them.

    One that it does not use is an error, or a notice where `auto` has `chosen` the engine.
    Raises InputError.
    """
    model = options_model(request.engine, request.kind)
    unused = sorted(set(request.options) - set(model.model_fields))
    words = f"engine {request.engine} does not use {mention(*unused)}"
    if unused and not chosen:
        raise InputError(
            words,
            hint=f"leave {'it' if len(unused) == 1 else 'them'} out, or choose another engine: "
            + ", ".join(name for name in engine_names(request.kind) if name != request.engine),
            fields={f"options.{name}": request.options[name] for name in unused},
            rule=f"engine {request.engine} does not use it",
        )
    if unused:
        control.emit(Notice(words))
    fitted = _drop_options(request)
    options = parse_options(model, fitted.options).model_dump(exclude_unset=True)
    shots = tuple(_fit_shot(shot, fitted, model) for shot in fitted.shot_list)
    return replace(fitted, options=options, shots=shots or fitted.shots)


def _fit_shot(shot: ShotRequest, request: Request, model: type[BaseModel]) -> ShotRequest:
    """The shot with its own options as the engine's model types them. Raises InputError for one
    that the engine does not take shot by shot."""
    if not shot.options:
        return shot
    place = shot.place or f"the shot at {format_clock(shot.start)}"
    own: Collection[str] = getattr(model, "PER_SHOT", ())
    wrong = sorted(set(shot.options) - set(own))
    if wrong:
        rule = f"engine {request.engine} does not take it shot by shot"
        known = mention(*sorted(own)) if own else "none"
        raise InputError(
            f"{place}: {mention(wrong[0])} {rule}", f"those that it takes: {known}",
            fields={f"options.{wrong[0]}": shot.options[wrong[0]]}, rule=rule,
        )  # fmt: skip
    try:
        read = parse_options(model, {**request.options, **shot.options})
    except InputError as err:
        raise InputError(
            f"{place}: {err.message}", err.hint, fields=err.fields, rule=err.rule
        ) from err
    typed = read.model_dump(include=set(shot.options))
    return replace(shot, options=typed)


def recall_options(
    name: str,
    options: Mapping[str, object],
    engine: Mapping[str, object],
    given: Collection[str],
    kind: Kind = "sound",
) -> Mapping[str, object]:
    """See `engines.base.Recalling`; as they are where the engine's model does not do that."""
    model = options_model(name, kind) if name in engine_names(kind) else None
    if not hasattr(model, "recall"):
        return options
    return cast(type[Recalling], model).recall(options, engine, given)


def _drop_options(request: Request) -> Request:
    known = options_model(request.engine, request.kind).model_fields
    kept = {name: value for name, value in request.options.items() if name in known}
    return replace(request, options=kept)


def options_model(name: str, kind: Kind = "sound") -> type[BaseModel]:
    """The pydantic model of an engine's options: light, no engine import for the built-in ones.

    Raises InputError (unknown) or EngineUnavailable (another package's, which cannot be imported).
    """
    if name in _BUILT_IN[kind]:
        return cast(type[BaseModel], _load(_BUILT_IN[kind][name][1]))
    model = getattr(_engine_class(name, kind), "Options", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise EngineUnavailable(
            f"engine {name} names no options: its class has no pydantic model Options",
            hint="ask its author; docs/writing-an-engine.md shows one",
        )
    return model


def _engine_class(name: str, kind: Kind) -> object:
    """Raises InputError (unknown) or EngineUnavailable (what it needs is not installed)."""
    if name not in engine_names(kind):
        elsewhere = any(name in engine_names(other) for other in _BUILT_IN)
        raise InputError.about(
            {"engine": name},
            f"it makes no {_VIDEOS[kind]}" if elsewhere else "unknown engine",
            f"choose one of: auto, {', '.join(engine_names(kind))}",
        )
    if name in _BUILT_IN[kind]:
        try:
            return _load(_BUILT_IN[kind][name][0])
        except ImportError as err:
            raise EngineUnavailable(
                f"engine {name} cannot be imported: {err}",
                hint=f"install what it needs: {install_command(name if name in _EXTRAS else '')}",
            ) from err
    with _blamed(name, "cannot be imported"):
        return cast(object, _plugins(kind)[name].load())


@contextmanager
def _blamed(name: str, words: str) -> Iterator[None]:
    """Whatever the code of another package raises becomes one sentence about it; a fault of our
    own engines keeps its traceback."""
    try:
        yield
    except (SoundreelError, Cancelled):
        raise
    except (Exception, SystemExit) as err:
        if any(name in own for own in _BUILT_IN.values()):
            raise
        raise EngineUnavailable(
            f"engine {name} {words}: {type(err).__name__}: {err}",
            hint="update or remove the package that it comes from",
        ) from err


def _load(target: str) -> object:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _plugins(kind: Kind) -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUPS[kind])}
