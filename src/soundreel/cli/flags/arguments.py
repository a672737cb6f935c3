"""The options of `generate` and `plan`, made from the tables, and how they become a Request and
Settings.

Every option defaults to None, "not given": flags win over the `[options]` table of the config
file, which wins over the defaults of `Request`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.flags.engine_options import ENGINE_PANEL, engine_parameters
from soundreel.cli.terminal.spelling import COMMANDS, dashed, spell
from soundreel.config import (
    OPTIONS_TABLE,
    SETTINGS_OPTIONS,
    Settings,
    load_settings,
    read_config,
)
from soundreel.errors import InputError
from soundreel.events import Notice
from soundreel.options.image_table import IMAGE_OPTIONS
from soundreel.options.option import Option
from soundreel.options.platforms import PLATFORM_FIELDS, with_platform
from soundreel.options.table import FILE, REQUEST_OPTIONS, RUN, read_field
from soundreel.types import COVER_WORDS, Kind, Request, request_class, with_values

_FLAG_ROWS: Mapping[Kind, tuple[Option, ...]] = {
    "sound": tuple(row for row in REQUEST_OPTIONS if row.names),
    "image": tuple(row for row in IMAGE_OPTIONS if row.names),
}
_NOT_SHARED = ("gpu",)
"""Settings that not every command takes."""
_OWN = {
    *("audio", "as_json", "check", "config", "from", "help"),
    *("json", "keep_job", "log_file", "overwrite", "quiet", "replay"),
}
"""Names that single commands take."""


def _typer_option(row: Option) -> Any:
    return typer.Option(
        *(_flags_of(name, yes_or_no=not row.metavar) for name in row.names),
        help=spell(row.help),
        rich_help_panel=row.panel or None,
        show_default=row.default or False,
        metavar=row.metavar or None,
        autocompletion=_completion(row),
    )


def _flags_of(name: str, *, yes_or_no: bool) -> str:
    """What the config file or a record says yes to, the command line can say no to."""
    return f"{dashed(name)}/{dashed(f'no_{name}')}" if yes_or_no else dashed(name)


def _completion(row: Option) -> Callable[[str], list[str]] | None:
    """What the shell offers after the flag; names of files it finds itself."""
    if not row.words:
        return None
    return lambda incomplete: [word for word in row.words if word.startswith(incomplete)]


_PATHS = ("FILE", "DIR", "FILE|cover|none")


def _annotation(row: Option) -> Any:
    scalar: Any = Path if row.metavar in _PATHS else str if row.metavar else bool
    return Annotated[list[scalar] | None if row.many else scalar | None, _typer_option(row)]


_SETTINGS = {row.key: row for row in SETTINGS_OPTIONS}

Audio = Annotated[
    Path | None,
    typer.Argument(
        metavar="AUDIO", help="The sound: any audio or video file; - is standard input."
    ),
]
Audios = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="AUDIO...",
        help="The sound: any audio or video file; - is standard input. Several get a video each.",
    ),
]
WorkDir = Annotated[
    Path | None,
    typer.Option("--work-dir", metavar="DIR", help="Folder for unfinished jobs."),
]
"""Of commands that have few other options."""
Replay = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Make a video again from it or its .json; other options change it.",
        rich_help_panel=FILE,
    ),
]
JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document.", rich_help_panel=RUN)
]
QuietFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only errors.", rich_help_panel=RUN)
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file (TOML).", rich_help_panel=RUN),
]
LogPath = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        help="Write all that happens, without secrets, for a bug report.",
        rich_help_panel=RUN,
    ),
]
_ROWS = {row.key: row for row in _FLAG_ROWS["sound"]}
Crf = Annotated[str | None, _typer_option(_ROWS["crf"])]
Codec = Annotated[str | None, _typer_option(_ROWS["codec"])]
Encoder = Annotated[str | None, _typer_option(_ROWS["encoder"])]
Preset = Annotated[str | None, _typer_option(_ROWS["preset"])]
Timeout = Annotated[str | None, _typer_option(_SETTINGS["timeout"])]
Url = Annotated[list[str] | None, _typer_option(_SETTINGS["url"])]
Workers = Annotated[str | None, _typer_option(_SETTINGS["workers"])]
Cluster = Annotated[str | None, _typer_option(_SETTINGS["cluster"])]
ModelsDir = Annotated[list[Path] | None, _typer_option(_SETTINGS["models_dir"])]
Gpu = Annotated[str | None, _typer_option(_SETTINGS["gpu"])]


def request_command(kind: Kind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command all options of a kind in place of its `**given`, which collects them."""

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in _parameters(command) if p.kind is not inspect.Parameter.VAR_KEYWORD]
        settings = [row for row in SETTINGS_OPTIONS if row.key not in _NOT_SHARED]
        shared = map(_parameter, (*_FLAG_ROWS[kind], *settings))
        parameters = [*own, *shared, *_engine_parameters(kind)]
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]

        def wrapper(**values: Any) -> None:
            command(**values)

        wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
        wrapper.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in keyword}
        return wrapper

    return with_options


def _engine_parameters(kind: Kind) -> list[inspect.Parameter]:
    """Without those whose name is soundreel's own: an engine of another package may have such."""
    rows = (*REQUEST_OPTIONS, *SETTINGS_OPTIONS)
    taken = {name for row in rows for name in row.names} | _OWN
    return [p for p in engine_parameters(kind, ENGINE_PANEL) if p.name not in taken]


def option_keys(kind: Kind) -> Mapping[str, str]:
    """Every long name of an option of the request or of an engine, with the key that `make_request`
    takes it by."""
    return _known(kind)


def make_settings(given: Mapping[str, Any], config: Path | None, **more: Any) -> Settings:
    """Settings from the flags among `given`."""
    flags = {name: given.get(name) for name in Settings.model_fields}
    return load_settings({**flags, **more}, config)


def make_request(
    source: Path | None,
    given: Mapping[str, object],
    config: Path | None,
    replay: Path | None = None,
    kind: Kind = "sound",
) -> Request:
    """The request of a command line. source: the sound, or the image. Raises InputError for a value
    that cannot be read."""
    changes: dict[str, object] = {}
    options: dict[str, object] = {}
    for values in (_configured(config, kind), _flags(given, kind)):
        wanted, chosen = dict[str, object](), dict[str, object]()
        for row in _FLAG_ROWS[kind]:
            value = values.pop(row.key, None)
            if value is not None:
                found = wanted if row.fields == PLATFORM_FIELDS else chosen
                found |= _by_field(row, value)
        changes = with_platform(changes, wanted, chosen)
        options |= values
    base = _base_request(kind, source, replay, changes, options)
    if replay is not None:
        from soundreel.finished.replay import with_form

        changes = with_form(base, changes)
    return with_values(base, {**changes, "options": {**base.options, **options}})


def platform_notice(
    given: Mapping[str, object], config: Path | None, request: Request
) -> list[Notice]:
    """What was chosen for the platform that is named, if one is."""
    kind = request.kind
    name = {**_configured(config, kind), **_flags(given, kind)}.get("for_")
    if name is None:
        return []
    loudness, crf = request.encoding.loudness, request.encoding.crf
    rate = "the engine's rate" if request.fps is None else f"{request.fps} pictures a second"
    sound = "the sound as loud as it is" if loudness is None else f"{loudness:g} LUFS"
    quality = "" if crf is None else f", crf {crf}"
    return [Notice(f"for {name}: {request.width}x{request.height}, {rate}, {sound}{quality}")]


def _by_field(row: Option, value: object) -> dict[str, object]:
    """What a row sets; the request reads the values of single fields itself."""
    if len(row.fields) == 1:
        return {row.fields[0]: value}
    return dict(zip(row.fields, row.read_many(value), strict=True))


def _known(kind: Kind) -> dict[str, str]:
    """Every long name of an option of the request or of an engine, with its key."""
    rows = _FLAG_ROWS[kind]
    known = {name.rstrip("_"): row.key for row in rows for name in row.names if name[1:]}
    return known | {p.name: p.name for p in _engine_parameters(kind)}


def _flags(given: Mapping[str, object], kind: Kind) -> dict[str, object]:
    """What was given on the command line, by option: the request's, and the engines'."""
    flags = {name: _plain(given.get(name)) for name in _known(kind).values()}
    return {name: value for name, value in flags.items() if value is not None}


def _configured(config: Path | None, kind: Kind) -> dict[str, object]:
    """What stands in the config file, by option; what is another kind's is left alone."""
    known, values = _known(kind), dict[str, object]()
    others = {name for other in _FLAG_ROWS if other != kind for name in _known(other)}
    for written, value in _defaults(config).items():
        name = known.get(written.replace("-", "_"))
        if name is None and written.replace("-", "_") in others:
            continue
        if name is None:
            raise InputError(
                f"unknown option {written!r} in the [{OPTIONS_TABLE}] table of the config file",
                hint="use the long option names, without the dashes in front",
            )
        values[name] = _plain(value)
    return values


def _defaults(config: Path | None) -> dict[str, object]:
    table = read_config(config).get(OPTIONS_TABLE, {})
    if not isinstance(table, dict):
        raise InputError(
            f"{OPTIONS_TABLE!r} in the config file is not a table",
            hint=f"write [{OPTIONS_TABLE}] on a line of its own, and the options below it",
        )
    return table


def _base_request(
    kind: Kind,
    source: Path | None,
    replay: Path | None,
    changes: Mapping[str, object],
    options: Mapping[str, object],
) -> Request:
    if replay is not None:
        from soundreel.finished.replay import replay_request

        files = {**changes, _SOURCES[kind]: source}
        moved = {name: _path(files.get(name)) for name in ("audio", "image")}
        base = replay_request(replay, moved["audio"], moved["image"], options)
        if base.kind != kind:
            raise InputError(
                f"{replay.name} is a video of another kind",
                hint=f"{COMMANDS[base.kind]} --from {replay.name}",
            )
        return base
    if source is None:
        raise _NO_SOURCE[kind]
    given: dict[str, Any] = {_SOURCES[kind]: source}
    return request_class(kind)(**given)


_SOURCES: Mapping[Kind, str] = {"sound": "audio", "image": "image"}
_NO_SOURCE: Mapping[Kind, InputError] = {
    "sound": InputError("no sound file given", hint="soundreel AUDIO, e.g. soundreel song.mp3"),
    "image": InputError(
        "no image given", hint="soundreel image-to-video IMAGE, e.g. image-to-video portrait.png"
    ),
}


def _path(file: object) -> Path | None:
    read = read_field("image", file)
    return read if isinstance(read, Path) and str(read) not in COVER_WORDS else None


def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _parameter(row: Option) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(row.key, kind, default=None, annotation=_annotation(row))


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
