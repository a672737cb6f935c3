"""`soundreel interpolate VIDEO --fps 32`: any video at another rate, its sound untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundreel.cli.flags.arguments import (
    Codec,
    ConfigFile,
    Crf,
    Encoder,
    JsonFlag,
    ModelsDir,
    Preset,
    QuietFlag,
    Timeout,
    make_settings,
)
from soundreel.cli.terminal.watching import say_interpolated, watched
from soundreel.options.table import FILE, PICTURE, RUN


def interpolate(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any video, ours or not.")],
    fps: Annotated[
        str | None,
        typer.Option(
            "--fps",
            metavar="RATE",
            help="Pictures a second.",
            show_default="twice as many as it has",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--interpolate",
            metavar="flow|film|rife",
            help="How the pictures between are made; film needs `models pull film`, rife its file.",
            rich_help_panel=PICTURE,
        ),
    ] = "flow",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="An .mp4 or .mov; else beside the video, _32fps.",
            rich_help_panel=FILE,
        ),
    ] = None,
    crf: Crf = None,
    codec: Codec = None,
    encoder: Encoder = None,
    preset: Preset = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=FILE),
    ] = False,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            "--work-dir", metavar="DIR", help="Folder for unfinished jobs.", rich_help_panel=RUN
        ),
    ] = None,
    timeout: Timeout = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Put pictures between those of any video; its sound stays as it is, packet by packet."""
    from soundreel.framerate import run
    from soundreel.types import Encoding

    chosen = {"crf": crf, "codec": codec, "encoder": encoder, "preset": preset}
    encoding = Encoding(**{name: value for name, value in chosen.items() if value is not None})  # type: ignore[arg-type]
    settings = make_settings(
        {"work_dir": work_dir, "timeout": timeout, "models_dir": models_dir}, config
    )
    with watched(silent=quiet or as_json) as control:
        made = run.interpolate(
            video,
            fps,
            method,
            output,
            encoding=encoding,
            settings=settings,
            control=control,
            overwrite=overwrite,
        )
    say_interpolated(made, quiet=quiet, as_json=as_json)
