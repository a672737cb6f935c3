"""`soundreel AUDIO...` and `soundreel plan AUDIO`: videos of sounds, and what one would take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.flags.arguments import (
    Audio,
    Audios,
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
from soundreel.cli.flags.sounds import require_folder, sound_files, with_folder
from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.report import plan_report, result_json, result_summary
from soundreel.cli.terminal.say import name, say, say_error, say_failure, say_json
from soundreel.cli.terminal.spelling import spell
from soundreel.cli.terminal.verdicts import CHECK_FAILED, SOME_FAILED
from soundreel.cli.terminal.watching import watched
from soundreel.documents.failures import error_json
from soundreel.documents.plans import plan_json
from soundreel.errors import SoundreelError
from soundreel.events import Notice, RunControl
from soundreel.options.table import FILE, RUN
from soundreel.types import Request, Result


@request_command("sound")
def generate(
    audio: Audios = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=FILE),
    ] = False,
    keep_job: Annotated[
        bool,
        typer.Option(
            "--keep-job",
            help="Keep the work folder of the finished job: remake can go on from any part.",
            rich_help_panel=RUN,
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Judge the finished file, as the command check does; exit code 1 where it fails.",
            rich_help_panel=RUN,
        ),
    ] = False,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    replay: Replay = None,
    log_file: LogPath = None,
    **given: Any,
) -> None:
    """Make a video of a sound, or one of each of several. Run the same command again after a stop:
    it goes on where it was."""
    from soundreel import api

    given = with_folder(given)
    with sound_files(audio or []) as sounds, LogFile(log_file) as log:
        require_folder(given, sounds, replay)
        settings = make_settings(given, config)
        log.write("settings", repr(settings))
        named: list[Path | None] = [*sounds] or [None]
        requests = [make_request(sound, given, config, replay) for sound in named]
        make = partial(
            _watched,
            partial(
                api.generate,
                settings=settings,
                overwrite=overwrite,
                keep_job=keep_job,
                check=check,
            ),
            log,
            platform_notice(given, config, requests[0]),
            silent=quiet or as_json,
        )
        tell = _tell_quietly if quiet else _tell
        if len(requests) > 1:
            results = _make_each(requests, make, None if as_json else tell)
        else:
            results = [make(requests[0])]
            if as_json:
                say_json(result_json(results[0]))
            else:
                tell(results[0])
    if any(result.check and result.check["verdict"] == "fail" for result in results):
        raise typer.Exit(CHECK_FAILED)


def _make_each(
    requests: list[Request],
    make: Callable[..., Result],
    tell: Callable[[Result], None] | None,
) -> list[Result]:
    """One job after the other; one that fails does not stop the rest, and shows in the exit code.
    tell: None collects one JSON document."""
    documents: list[dict[str, object]] = []
    results: list[Result] = []
    failed: list[Request] = []
    for number, request in enumerate(requests, 1):
        try:
            result = make(request, f"{number} of {len(requests)}: {request.source.name}")
        except SoundreelError as err:
            failed.append(request)
            documents.append({"audio": str(request.audio), "error": error_json(err)})
            if tell is not None:
                say_failure(err)
        else:
            results.append(result)
            documents.append({"audio": str(request.audio), **result_json(result)})
            if tell is not None:
                tell(result)
    if tell is None:
        say_json({"results": documents, "failed": len(failed)})
    elif failed:
        names = ", ".join(name(request.source.name) for request in failed)
        say_error(f"{len(failed)} of {len(requests)} sounds got no video: {names}")
    if failed:
        raise typer.Exit(SOME_FAILED)
    return results


def _watched(
    generate: Callable[..., Result],
    log: LogFile,
    said: list[Notice],
    request: Request,
    title: str = "",
    *,
    silent: bool,
) -> Result:
    """A job with its progress on the terminal, which Ctrl-C stops."""
    with watched(silent=silent, log=log) as control:
        if title:
            control.emit(Notice(title))
        for notice in said:
            control.emit(notice)
        return generate(request, control=control)


def _tell(result: Result) -> None:
    say(result_summary(result))


def _tell_quietly(result: Result) -> None:
    say(name(result.path))


@request_command("sound")
def plan(
    audio: Audio = None,
    gpu: Gpu = None,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    replay: Replay = None,
    **given: Any,
) -> None:
    """Show shots, parts, what is generated and trimmed, expected time and memory. -o FILE writes
    the list of shots: .toml to edit, .otio, .edl or .csv for editing programs."""
    from soundreel import api
    from soundreel.cli.commands.shot_file import wanted, write_shots
    from soundreel.progress.reporters import make_reporter

    given = with_folder(given)
    with (
        sound_files([] if audio is None else [audio]) as sounds,
        make_reporter(quiet=quiet or as_json, spell=spell) as reporter,
    ):
        asked = make_request(next(iter(sounds), None), given, config, replay)
        control = RunControl(reporter.handle)
        for notice in platform_notice(given, config, asked):
            control.emit(notice)
        request, target = wanted(asked)
        made, estimate = api.plan(request, make_settings(given, config, gpu=gpu), control)
        if target is not None:
            write_shots(made, target, replay, control)
    if as_json:
        say_json(plan_json(made, estimate))
    else:
        say(plan_report(made, estimate))
