"""`soundreel AUDIO` and `soundreel plan AUDIO`: a video of a sound, and what it would take."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soundreel.cli.flags.arguments import (
    Audio,
    ConfigFile,
    Gpu,
    JsonFlag,
    LogPath,
    QuietFlag,
    Replay,
    make_request,
    make_settings,
    request_command,
)
from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.report import plan_json, plan_report, result_json, result_summary
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.stopping import stop_on_signals
from soundreel.events import RunControl


@request_command
def generate(
    audio: Audio = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.")
    ] = False,
    keep_job: Annotated[
        bool, typer.Option("--keep-job", help="Keep the work folder of the finished job.")
    ] = False,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    replay: Replay = None,
    log_file: LogPath = None,
    **given: Any,
) -> None:
    """Make a video of a sound. Run the same command again after a stop: it goes on where it was."""
    from soundreel import api
    from soundreel.cli.terminal.progress import make_reporter

    silent = quiet or as_json
    with make_reporter(quiet=silent) as reporter, LogFile(log_file, reporter.handle) as log:
        control = RunControl(log.handle)
        with stop_on_signals(control):
            settings = make_settings(given, config)
            log.write("settings", repr(settings))
            result = api.generate(
                make_request(audio, given, config, replay),
                settings,
                control=control,
                overwrite=overwrite,
                keep_job=keep_job,
            )
    if as_json:
        say_json(result_json(result))
    else:
        say(name(result.path) if quiet else result_summary(result))


@request_command
def plan(
    audio: Audio = None,
    gpu: Gpu = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    replay: Replay = None,
    **given: Any,
) -> None:
    """Show shots, chunks, what is generated and trimmed, expected time and memory."""
    from soundreel import api
    from soundreel.cli.terminal.progress import make_reporter

    with make_reporter(quiet=quiet or as_json) as reporter:
        made, estimate = api.plan(
            make_request(audio, given, config, replay),
            make_settings(given, config, gpu=gpu),
            RunControl(reporter.handle),
        )
    if as_json:
        say_json(plan_json(made, estimate))
    else:
        say(plan_report(made, estimate))
