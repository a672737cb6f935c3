"""What a client asks for: read from its words, kept as JSON, made a Request where it is needed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from soundreel.errors import InputError
from soundreel.options.faces import SIGN
from soundreel.options.option import Option
from soundreel.options.platforms import PLATFORM_FIELDS, with_platform
from soundreel.registry import options_model
from soundreel.types import COVER_WORDS, Encoding, Kind, Request, request_class
from soundreel.web.asked.fields import (
    FILE_FIELDS,
    engine_fields,
    engines_of,
    last,
    may_be_file,
    rows_of,
)

UPLOAD = re.compile(r"upload_[0-9a-f]{64}")
"""How a client names a file that it gave."""

OWN_FIELDS = ("model", "kind", "options", "check", "name", "webhook_url")
"""What a body says beside the options of the request."""

_MAX_NAME = 200
PRESETS = ("fast", "quality", "official")
"""Sampling presets, which `model` may name too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """values: by paths of the request ("width", "encoding.crf"), as JSON, files as uploads;
    options: of the engine; written: how the client called each path; check: judge the video;
    webhook_url: who is told of the end."""

    kind: Kind
    engine: str = "auto"
    values: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    check: bool = True
    name: str = ""
    webhook_url: str | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Asked:
        return cls(**document)

    @property
    def uploads(self) -> frozenset[str]:
        """Those that it is made from."""
        return frozenset(UPLOAD.findall(json.dumps([self.values, self.options])))


def read_asked(body: Mapping[str, Any], *, from_form: bool = False) -> Asked:
    """What a body says. from_form: all its values are texts. Raises InputError naming the field as
    the client did."""
    said = {name: value for name, value in body.items() if value is not None}
    kind = _kind(said)
    rows, known = rows_of(kind), engine_fields(kind)
    chosen, wanted, written = dict[str, Any](), dict[str, Any](), dict[str, str]()
    options = dict(_table(said.get("options", {}), from_form))
    for name, value in said.items():
        if name in OWN_FIELDS:
            continue
        if (row := rows.get(name)) is not None:
            found = wanted if row.fields == PLATFORM_FIELDS else chosen
            found |= _by_path(row, name, _plain(row, name, value, from_form))
            written |= dict.fromkeys(row.fields, name)
        elif name in known:
            options[name] = value
        else:
            raise _unknown(name, [*rows, *known, *OWN_FIELDS])
    engine, preset = _engine(said.get("model", "auto"), kind)
    for name, value in options.items():
        _check_option(name, value, known)
    return Asked(
        kind,
        engine,
        with_platform({}, wanted, chosen),
        {**preset, **options},
        written,
        _flag("check", said.get("check", True), from_form),
        _text("name", said.get("name", ""))[:_MAX_NAME],
        _text("webhook_url", said["webhook_url"]) if "webhook_url" in said else None,
    )


def make_request(asked: Asked, place: Callable[[str], Path]) -> Request:
    """The request, with each upload where it lies. Raises InputError naming a field as the client
    did; also where a value names a file that is no upload."""
    used = set[Path]()

    def placed(upload: str) -> Path:
        path = place(upload)
        used.add(path)
        return path

    try:
        values = {path: _located(path, value, placed) for path, value in asked.values.items()}
        options = {
            name: _each_located(f"options.{name}", value, placed)
            for name, value in asked.options.items()
        }
        made = _built(replace(asked, options=options), values)
        _require_uploads(made, used)
        return made
    except InputError as err:
        raise named_as_written(err, asked) from err


def local_request(asked: Asked, output: Path | None = None) -> Request:
    """The request of who may name files of this machine. Raises InputError as `make_request`."""
    try:
        return replace(_built(asked, asked.values), output=output)
    except InputError as err:
        raise named_as_written(err, asked) from err


def _built(asked: Asked, values: Mapping[str, Any]) -> Request:
    prefix = "encoding."
    own = {path: value for path, value in values.items() if not path.startswith(prefix)}
    encoding = {path: value for path, value in values.items() if path.startswith(prefix)}
    required = {"sound": "audio", "image": "image"}[asked.kind]
    if required not in own:
        raise InputError(
            "there is no sound to make a video of, and no picture",
            hint="send audio_reference, a sound; or input_reference, a picture",
            fields={required: None},
            rule="it is needed",
        )
    return request_class(asked.kind)(
        **own,
        engine=asked.engine,
        options=dict(asked.options),
        encoding=Encoding(**{last(path): value for path, value in encoding.items()}),
    )


def named_as_written(error: InputError, asked: Asked) -> InputError:
    """The same with the names of fields that the client wrote."""
    named = {_written(path, asked): value for path, value in error.fields.items()}
    return InputError(error.message, error.hint, fields=named, rule=error.rule)


def _written(path: str, asked: Asked) -> str:
    return asked.written.get(path, path if path.startswith("options.") else last(path))


def _kind(said: Mapping[str, Any]) -> Kind:
    """Without a word about it, a sound makes a video of the sound, a picture alone one of it."""
    if "kind" in said:
        if said["kind"] not in ("sound", "image"):
            raise InputError(
                "a video is of kind sound or image", fields={"kind": None}, rule="sound or image"
            )
        return "image" if said["kind"] == "image" else "sound"
    has_sound = any(name in said for name in ("audio", "audio_reference"))
    has_image = any(name in said for name in ("image", "ref_image", "input_reference"))
    return "image" if has_image and not has_sound else "sound"


def _engine(model: object, kind: Kind) -> tuple[str, dict[str, Any]]:
    """An engine, a sampling preset, or both as wan/quality."""
    engines = ("auto", *engines_of(kind))
    if isinstance(model, str):
        engine, _, preset = model.partition("/")
        if engine in PRESETS and not preset:
            engine, preset = "auto", engine
        if engine in engines and preset in ("", *PRESETS):
            return engine, {"sampling_preset": preset} if preset else {}
    raise InputError.about(
        {"model": model},
        f"one of {', '.join(engines)}; a preset, {', '.join(PRESETS)}; or both, as wan/quality",
    )


def _by_path(row: Option, name: str, value: object) -> dict[str, Any]:
    if len(row.fields) == 1:
        return {row.fields[0]: value}
    try:
        return dict(zip(row.fields, row.read_many(value), strict=True))
    except InputError as err:
        raise InputError.about({name: value}, err.rule) from err


def _plain(row: Option, name: str, value: object, from_form: bool) -> object:
    """A value as JSON would have it: forms know only texts."""
    if not isinstance(value, str) or not from_form:
        return value
    if not row.metavar and row.names:
        return _flag(name, value, from_form)
    if (row.many or row.fields[0] in FILE_FIELDS) and value[:1] in ("[", "{"):
        return _json(name, value)
    return value


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as err:
        raise InputError.about({name: text}, "it is no valid JSON") from err


def _table(value: object, from_form: bool) -> Mapping[str, Any]:
    if from_form and isinstance(value, str):
        value = _json("options", value)
    if not isinstance(value, Mapping):
        raise InputError.about({"options": value}, "a table of option names and values")
    return value


def _flag(name: str, value: object, from_form: bool) -> bool:
    if from_form and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise InputError.about({name: value}, "true or false")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InputError.about({name: value}, "a text")
    return value


def _unknown(name: str, known: list[str]) -> InputError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "GET /v1/options lists them"
    shown = name[:80]
    return InputError(
        f"there is no field {shown!r}", hint, fields={shown: None}, rule="unknown field"
    )


def _check_option(name: str, value: object, known: Mapping[str, object]) -> None:
    """Engines look for weights by names, and a client must not reach beyond their folders."""
    if name not in known:
        raise InputError.about({f"options.{name}": value}, "no engine here has this option")
    texts = value if isinstance(value, (list, tuple)) else [value]
    for text in texts:
        if isinstance(text, str) and re.search(r"[/\\\x00]|\.\.|^~", text):
            raise InputError.about(
                {f"options.{name}": value}, "a name, without folders", "names of files alone"
            )


def _located(path: str, value: Any, place: Callable[[str], Path]) -> Any:
    """A value with its uploads as the paths where they lie."""
    if path not in FILE_FIELDS:
        return value
    if path == "shots" and isinstance(value, (list, tuple)):
        return [_shot_located(shot, place) for shot in value]
    return _each_located(path, value, place)


def _shot_located(shot: Any, place: Callable[[str], Path]) -> Any:
    if not isinstance(shot, Mapping):
        return shot
    return {
        name: _each_located("shots", value, place) if name in ("image", "faces") else value
        for name, value in shot.items()
    }


def _each_located(path: str, value: Any, place: Callable[[str], Path]) -> Any:
    if isinstance(value, Mapping):
        return {name: _each_located(path, item, place) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_located(path, item, place) for item in value]
    if isinstance(value, str) and UPLOAD.fullmatch(value.removeprefix(SIGN)):
        try:
            found = place(value.removeprefix(SIGN))
            return f"{SIGN}{found}" if value.startswith(SIGN) else found
        except InputError as err:
            raise InputError(err.message, err.hint, fields={path: value}, rule=err.rule) from err
    return value


def _require_uploads(request: Request, uploads: Collection[Path]) -> None:
    """No file but uploads: a client must not name one of this machine."""
    values = {each.name: getattr(request, each.name) for each in fields(request)}
    options = values.pop("options")
    values |= {f"options.{name}": _as_read(name, options[name], request.kind) for name in options}
    for name, value in values.items():
        for path in _paths(value):
            if path not in uploads and str(path) not in COVER_WORDS:
                raise InputError(
                    f"{name} takes uploads, not names of files",
                    hint="send the file to /v1/uploads, and give the id that it answers",
                    fields={name: str(path)},
                    rule="the id of an upload",
                )


def _as_read(name: str, value: object, kind: Kind) -> list[object]:
    """What engines make of an option, where it may be the name of a file; those that take it."""
    users = [(engine, f) for engine, f in engine_fields(kind)[name] if may_be_file(f.annotation)]
    read = list[object]()
    for engine, _ in users:
        with suppress(ValueError):
            made = options_model(engine, kind).model_validate({name: value})
            read.append(getattr(made, name))
    return read


def _paths(value: Any) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    if is_dataclass(value) and not isinstance(value, type):
        return [path for each in fields(value) for path in _paths(getattr(value, each.name))]
    if isinstance(value, Mapping):
        return [path for item in value.values() for path in _paths(item)]
    if isinstance(value, (list, tuple)):
        return [path for item in value for path in _paths(item)]
    return []
