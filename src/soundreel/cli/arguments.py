"""The options of `generate` and `plan`, and how they become a Request and Settings.

Every option defaults to None, "not given": flags win over the `[options]` table of the config
file, which wins over the defaults of `Request`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.engine_options import ENGINE_PANEL, engine_parameters
from soundreel.config import OPTIONS_TABLE, Settings, load_settings, read_config
from soundreel.engines.base import flag
from soundreel.errors import InputError
from soundreel.timeline.grid import parse_rate, parse_time
from soundreel.types import Request

_SOUND, _PICTURE, _FILE, _RUN = "Sound", "Picture", "File", "Run"

Audio = Annotated[
    Path | None, typer.Argument(metavar="AUDIO", help="The sound: any audio or video file.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file (TOML).", rich_help_panel=_RUN),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", help="ComfyUI servers, comma-separated.", rich_help_panel=_RUN,
        show_default="http://127.0.0.1:8188",
    ),
]  # fmt: skip
ModelsDir = Annotated[
    list[Path] | None,
    typer.Option("--models-dir", metavar="DIR", help="Folder with weights.", rich_help_panel=_RUN),
]


def _option(*names: str, help: str, panel: str, default: str = "", metavar: str = "") -> Any:
    return typer.Option(
        *names,
        help=help,
        rich_help_panel=panel,
        show_default=default or False,
        metavar=metavar or None,
    )


def _request_options(
    replay: Annotated[Path | None, _option("--from", panel=_FILE, metavar="FILE",
        help="Make a video again from its .mp4 or .json; other options change it.")] = None,
    ref_image: Annotated[Path | None, _option("--ref-image", "--image", panel=_PICTURE,
        metavar="FILE", help="Reference image: who or what is seen.")] = None,
    audio_start: Annotated[str | None, _option("--audio-start", "--start", panel=_SOUND,
        metavar="TIME", help="Where to start: 90.5 or 1:30.5.", default="0")] = None,
    audio_duration: Annotated[str | None, _option("--audio-duration", "--duration", panel=_SOUND,
        metavar="TIME", help="How long; without it, to the end.")] = None,
    frames: Annotated[int | None, _option("--frames", panel=_SOUND,
        help="Exactly so many pictures (before interpolation); 77 are 4.8 s at 16 fps.")] = None,
    allow_truncated: Annotated[bool | None, _option("--allow-truncated", panel=_SOUND,
        help="Use what can be decoded of a sound file that breaks off.")] = None,
    positive: Annotated[str | None, _option("--positive", "--prompt", "-p", panel=_PICTURE,
        metavar="TEXT", help="What the picture shows.")] = None,
    negative: Annotated[str | None, _option("--negative", "--negative-prompt", "-n",
        panel=_PICTURE, metavar="TEXT", help="What it must not show.")] = None,
    size: Annotated[str | None, _option("--size", panel=_PICTURE, metavar="WxH",
        help="Width and height at once.", default="832x1216")] = None,
    width: Annotated[int | None, _option("--width", panel=_PICTURE, help="Pixels.")] = None,
    height: Annotated[int | None, _option("--height", panel=_PICTURE, help="Pixels.")] = None,
    seed: Annotated[int | None, _option("--seed", panel=_PICTURE,
        help="Same seed, same video; -1 draws one.", default="-1")] = None,
    fps: Annotated[str | None, _option("--fps", panel=_PICTURE, metavar="RATE",
        help="Pictures a second of the output.", default="the engine's own")] = None,
    interpolate: Annotated[str | None, _option("--interpolate", panel=_PICTURE,
        metavar="none|flow|film", help="Make pictures in between, for a higher --fps.",
        default="none")] = None,
    engine: Annotated[str | None, _option("--engine", "-e", panel=_RUN,
        metavar="auto|wan|comfyui|preview", help="What makes the pictures.",
        default="auto")] = None,
    crf: Annotated[int | None, _option("--crf", panel=_FILE,
        help="x264 quality: 10 to 23 advised, up to 51; 0 is lossless, which few players show.",
        default="18")] = None,
    preset: Annotated[str | None, _option("--preset", panel=_FILE,
        help="x264 preset, ultrafast to veryslow.", default="veryfast")] = None,
    settings: Annotated[str | None, _option("--settings", panel=_FILE, metavar="TAG",
        help="Short word in the file name.", default="s2v")] = None,
    output: Annotated[Path | None, _option("--output", "-o", panel=_FILE, metavar="FILE",
        help="The video to write.")] = None,
) -> None:  # fmt: skip
    """Carries the signature; see `request_command`."""


def _settings_options(
    output_dir: Annotated[Path | None, _option("--output-dir", panel=_FILE, metavar="DIR",
        help="Folder for videos without -o.", default="output/video")] = None,
    work_dir: Annotated[Path | None, _option("--work-dir", panel=_RUN, metavar="DIR",
        help="Folder for unfinished jobs.")] = None,
    timeout: Annotated[float | None, _option("--timeout", panel=_RUN, metavar="SECONDS",
        help="Stop the job after so long; it can be resumed.", default="none")] = None,
    url: Url = None,
    models_dir: ModelsDir = None,
) -> None:  # fmt: skip
    """Carries the signature; see `request_command`."""


def request_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all options above in place of its `**given`, which collects them."""
    own = [p for p in _parameters(command) if p.kind is not inspect.Parameter.VAR_KEYWORD]
    shared = [*_parameters(_request_options), *_parameters(_settings_options)]
    parameters = [*own, *shared, *engine_parameters(ENGINE_PANEL)]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]

    def wrapper(**values: Any) -> None:
        command(**values)

    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    wrapper.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in keyword}
    return wrapper


def make_settings(given: Mapping[str, Any], config: Path | None, **more: Any) -> Settings:
    """Settings from the flags among `given`."""
    flags = {name: given.get(name) for name in Settings.model_fields}
    return load_settings({**flags, **more}, config)


def make_request(audio: Path | None, given: Mapping[str, Any], config: Path | None) -> Request:
    """The request of a command line. Raises InputError for a value that cannot be read."""
    values = _with_defaults(given, config)
    base = _base_request(audio, values)
    changes: dict[str, Any] = {
        field: values[name] for name, field in _SIMPLE.items() if values[name] is not None
    }
    changes |= {
        field: _parse(parse, name, values[name])
        for name, (field, parse) in _PARSED.items()
        if values[name] is not None
    }
    changes |= _size(values)
    encoding = {name: values[name] for name in ("crf", "preset") if values[name] is not None}
    options = {
        p.name: _plain(values[p.name]) for p in engine_parameters() if values[p.name] is not None
    }
    return replace(
        base,
        **changes,
        encoding=replace(base.encoding, **encoding) if encoding else base.encoding,
        options={**base.options, **options},
    )


_SIMPLE = {
    "ref_image": "image",
    "frames": "num_frames",
    "allow_truncated": "allow_truncated",
    "positive": "prompt",
    "negative": "negative_prompt",
    "seed": "seed",
    "interpolate": "interpolate",
    "engine": "engine",
    "settings": "tag",
    "output": "output",
}
_PARSED: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "audio_start": ("start", parse_time),
    "audio_duration": ("duration", parse_time),
    "fps": ("fps", parse_rate),
}


def _parse(parse: Callable[[str], Any], name: str, text: str) -> Any:
    try:
        return parse(text)
    except InputError as err:
        raise InputError(f"{flag(name)}: {err.message}", hint=err.hint) from err


def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _with_defaults(given: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    table = read_config(config).get(OPTIONS_TABLE, {})
    defaults = {str(name).replace("-", "_"): value for name, value in table.items()}
    aliases = {"prompt": "positive", "negative_prompt": "negative", "image": "ref_image",
               "start": "audio_start", "duration": "audio_duration"}  # fmt: skip
    defaults = {aliases.get(name, name): value for name, value in defaults.items()}
    unknown = sorted(set(defaults) - set(given))
    if unknown:
        raise InputError(
            f"unknown option {unknown[0]!r} in the [{OPTIONS_TABLE}] table of the config file",
            hint="use the long option names, without the dashes in front",
        )
    for name in ("fps", "audio_start", "audio_duration"):
        if name in defaults:
            defaults[name] = str(defaults[name])
    for name in ("ref_image", "output"):
        if name in defaults:
            defaults[name] = Path(defaults[name])
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def _base_request(audio: Path | None, values: Mapping[str, Any]) -> Request:
    if values["replay"] is not None:
        from soundreel.replay import replay_request

        return replay_request(values["replay"], audio, values["ref_image"])
    if audio is None:
        raise InputError("no sound file given", hint="soundreel AUDIO, e.g. soundreel song.mp3")
    return Request(audio=audio)


def _size(values: Mapping[str, Any]) -> dict[str, int]:
    size: dict[str, int] = {}
    if values["size"] is not None:
        parts = str(values["size"]).lower().replace("*", "x").split("x")
        if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
            raise InputError(f"--size {values['size']!r} is not a size", hint="e.g. 832x1216")
        size = {"width": int(parts[0]), "height": int(parts[1])}
    return size | {side: values[side] for side in ("width", "height") if values[side] is not None}


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
