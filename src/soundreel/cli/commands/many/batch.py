"""`soundreel batch LIST`: many jobs, as many at once as there are hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.commands.many.job_list import read_jobs
from soundreel.cli.commands.many.outcomes import Outcome, failure_lines, table
from soundreel.cli.commands.many.requests import Job, Requests
from soundreel.cli.flags.arguments import (
    ConfigFile,
    JsonFlag,
    LogPath,
    QuietFlag,
    make_settings,
    request_command,
)
from soundreel.cli.flags.sounds import with_folder
from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.say import say, say_json
from soundreel.cli.terminal.spelling import spell
from soundreel.cli.terminal.stopping import stop_on_signals
from soundreel.cli.terminal.verdicts import CHECK_FAILED, SOME_FAILED
from soundreel.errors import InputError, mention
from soundreel.events import Event, RunControl
from soundreel.options.table import FILE, RUN


@request_command("sound")
def batch(
    jobs: Annotated[
        Path,
        typer.Argument(
            metavar="LIST",
            help="A folder of sounds, a .toml with a [[job]] each, or a .jsonl with one on a line.",
        ),
    ],
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace existing outputs that another request made.",
            rich_help_panel=FILE,
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Judge each finished file.", rich_help_panel=RUN),
    ] = False,
    config: ConfigFile = None,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
    log_file: LogPath = None,
    **given: Any,
) -> None:
    """Make the videos of a list, as many at once as there are hands for (servers, cards, cores).
    Options hold for all of them, and what a job says itself wins. Run it again to make what is
    missing: finished videos are left as they are."""
    given = with_folder(given)
    if given.get("output") is not None:
        raise InputError(
            f"a list makes many videos, and {mention(output=given['output'])} is one file",
            hint=f"name a folder, with a slash at its end: {mention(output='videos/')}",
        )
    with LogFile(log_file) as log:
        settings = make_settings(given, config)
        requests = Requests(read_jobs(jobs), _folder_of(jobs), given, config, settings)
        outcomes = []
        how = {"overwrite": overwrite, "check": check}
        for outcome in _outcomes(requests, how, log, quiet=quiet, as_json=as_json):
            outcomes.append(outcome)
            if as_json:
                say_json(outcome.document(), indent=None)
    if not as_json and not quiet:
        say("\n".join(table(sorted(outcomes, key=lambda outcome: outcome.number))))
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(SOME_FAILED)
    if any(outcome.failed_check for outcome in outcomes):
        raise typer.Exit(CHECK_FAILED)


def _outcomes(
    requests: Requests, how: Mapping[str, Any], log: LogFile, *, quiet: bool, as_json: bool
) -> Iterator[Outcome]:
    """As they come: first what is there, and what cannot be read. One that fails does not stop the
    rest. how: more arguments of `api.generate`."""
    from soundreel.cli.commands.many.crew import Crew
    from soundreel.progress.several import make_screen

    known, jobs = requests.read()
    crew, control = Crew(jobs, requests.settings, how), RunControl()
    screen = make_screen(quiet=quiet or as_json, at_once=crew.at_once, spell=spell)

    def tell(job: Job, event: Event) -> None:
        log.tell = partial(screen.tell, job.number)
        log.handle(event, job.name)

    with crew, screen, stop_on_signals(control):
        for outcome in chain(known, crew.outcomes(control, screen, tell)):
            if outcome.error is not None and not as_json:
                screen.say(outcome.name, failure_lines(outcome.error))
            yield outcome


def _folder_of(jobs: Path) -> Path:
    return jobs if jobs.is_dir() else jobs.parent
