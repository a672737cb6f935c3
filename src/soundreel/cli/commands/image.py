"""`soundreel image-to-video IMAGE`: a picture that begins to move."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.flags.arguments import (
    ConfigFile,
    Gpu,
    JsonFlag,
    LogPath,
    QuietFlag,
    Replay,
    make_request,
    make_settings,
    platform_notice,
    request_command,
)
from soundreel.cli.flags.sounds import with_folder
from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.report import plan_report
from soundreel.cli.terminal.say import say, say_json
from soundreel.cli.terminal.watching import say_result, watched
from soundreel.documents.plans import plan_json
from soundreel.options.table import FILE, RUN


@request_command("image")
def image_to_video(
    image: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="The picture that begins to move.")
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Show parts, expected time and memory; make nothing.",
            rich_help_panel=RUN,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=FILE),
    ] = False,
    keep_job: Annotated[
        bool,
        typer.Option(
            "--keep-job", help="Keep the work folder of the finished job.", rich_help_panel=RUN
        ),
    ] = False,
    gpu: Gpu = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    replay: Replay = None,
    log_file: LogPath = None,
    **given: Any,
) -> None:
    """Make a video of an image. What is longer than one pass of the model goes on from the last
    picture of the pass before it."""
    from soundreel import api

    given = with_folder(given)
    with LogFile(log_file) as log:
        settings = make_settings(given, config, gpu=gpu)
        log.write("settings", repr(settings))
        request = make_request(image, given, config, replay, "image")
        with watched(silent=quiet or as_json, log=log) as control:
            for notice in platform_notice(given, config, request):
                control.emit(notice)
            if not plan:
                result = api.generate(
                    request, settings, control=control, overwrite=overwrite, keep_job=keep_job
                )
            else:
                made, estimate = api.plan(request, settings, control)
        if not plan:
            say_result(result, quiet=quiet, as_json=as_json)
        elif as_json:
            say_json(plan_json(made, estimate))
        else:
            say(plan_report(made, estimate))
