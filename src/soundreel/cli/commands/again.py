"""`soundreel remake VIDEO --shot N`, or `--chunk N`: a part again, the others as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundreel.cli.flags.arguments import (
    Cluster,
    ConfigFile,
    JsonFlag,
    ModelsDir,
    QuietFlag,
    Url,
    WorkDir,
    Workers,
    make_settings,
)
from soundreel.cli.terminal.watching import say_result, watched


def remake(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video that soundreel made.")],
    shot: Annotated[
        int | None, typer.Option("--shot", metavar="N", help="Which shot, from 1.")
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            "--chunk",
            metavar="N",
            help="Which part, from 1, and those after it in its shot, which go on from its motion; "
            "from the kept work folder of the video (--keep-job), else the whole shot.",
        ),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", metavar="TEXT", help="What it shows.")
    ] = None,
    negative_prompt: Annotated[
        str | None,
        typer.Option("--negative-prompt", "-n", metavar="TEXT", help="What it must not show."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Without any change one is drawn.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Its reference image.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="FILE", help="The sound, if it moved.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Else beside the video, as _shotN."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    keep_job: Annotated[
        bool,
        typer.Option("--keep-job", help="Keep the work folder, to go on from any part again."),
    ] = False,
    work_dir: WorkDir = None,
    workers: Workers = None,
    cluster: Cluster = None,
    url: Url = None,
    models_dir: ModelsDir = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Make one shot of a finished video again, or a part of one; all the rest keeps its bytes."""
    from soundreel import remake as again

    changes = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": seed, "image": image}
    given = {
        "work_dir": work_dir,
        "workers": workers,
        "cluster": cluster,
        "url": url,
        "models_dir": models_dir,
    }
    with watched(silent=quiet or as_json) as control:
        result = again.remake(
            video,
            shot,
            changes,
            make_settings(given, config),
            chunk=chunk,
            audio=audio,
            output=output,
            control=control,
            overwrite=overwrite,
            keep_job=keep_job,
        )
    say_result(result, quiet=quiet, as_json=as_json)
