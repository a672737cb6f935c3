"""`soundreel batch LIST`: many jobs, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from soundreel.cli.commands.many.job_list import Entry, read_jobs
from soundreel.cli.flags.arguments import (
    ConfigFile,
    JsonFlag,
    LogPath,
    QuietFlag,
    make_request,
    make_settings,
    platform_notice,
    request_command,
)
from soundreel.cli.flags.sounds import with_folder
from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.report import result_json
from soundreel.cli.terminal.say import name, say, say_failure, say_json
from soundreel.cli.terminal.verdicts import CHECK_FAILED, SOME_FAILED
from soundreel.cli.terminal.watching import watched
from soundreel.config import Settings
from soundreel.documents.failures import error_json
from soundreel.errors import InputError, SoundreelError, mention
from soundreel.events import Notice
from soundreel.options.table import FILE, RUN
from soundreel.types import Request, Result


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: `result` where it was made, `video` where there is one, `error` where
    it failed."""

    entry: Entry
    source: str
    video: Path | None = None
    result: Result | None = None
    error: SoundreelError | None = None

    @property
    def word(self) -> str:
        if self.error is not None:
            return "failed"
        return "made" if self.result is not None else "there"

    def document(self) -> dict[str, object]:
        """As one line of JSON says it."""
        said: dict[str, object] = {"job": self.entry.place, "source": self.source}
        if self.error is not None:
            return {**said, "outcome": self.word, "error": error_json(self.error)}
        more = {"path": str(self.video)} if self.result is None else result_json(self.result)
        return {**said, "outcome": self.word, **more}


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
    """Make the videos of a list. Options hold for all of them, and what a job says itself wins. Run
    it again to make what is missing: finished videos are left as they are."""
    given = with_folder(given)
    if given.get("output") is not None:
        raise InputError(
            f"a list makes many videos, and {mention(output=given['output'])} is one file",
            hint=f"name a folder, with a slash at its end: {mention(output='videos/')}",
        )
    with LogFile(log_file) as log:
        settings = make_settings(given, config)
        run = _Batch(read_jobs(jobs), _folder_of(jobs), given, config, settings)
        outcomes = []
        for outcome in run.outcomes(log, silent=quiet or as_json, overwrite=overwrite, check=check):
            outcomes.append(outcome)
            if as_json:
                say_json(outcome.document(), indent=None)
            elif outcome.error is not None:
                say_failure(outcome.error)
    if not as_json and not quiet:
        say("\n".join(_table(outcomes)))
    if any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(SOME_FAILED)
    verdicts = [outcome.result.check for outcome in outcomes if outcome.result is not None]
    if any(verdict is not None and verdict["verdict"] == "fail" for verdict in verdicts):
        raise typer.Exit(CHECK_FAILED)


@dataclass(frozen=True, slots=True)
class _Batch:
    """folder: where the files of a list are looked for first; given: what the command line says."""

    entries: tuple[Entry, ...]
    folder: Path
    given: dict[str, Any]
    config: Path | None
    settings: Settings

    def outcomes(
        self, log: LogFile, *, silent: bool, overwrite: bool, check: bool
    ) -> Iterator[Outcome]:
        """One after the other; one that fails does not stop the rest."""
        from soundreel import api

        taken: set[Path] = set()
        for number, entry in enumerate(self.entries, 1):
            source = str(entry.values.get("audio") or entry.values.get("image") or "")
            try:
                request, said = self._request(entry, taken)
                if api.is_made(request, self.settings):
                    yield Outcome(entry, source, request.output and request.output.absolute())
                    continue
                with watched(silent=silent, log=log) as control:
                    control.emit(Notice(f"{number} of {len(self.entries)}: {source}"))
                    for notice in said:
                        control.emit(notice)
                    made = api.generate(
                        request, self.settings, control=control, overwrite=overwrite, check=check
                    )
                yield Outcome(entry, source, made.path, made)
            except SoundreelError as err:
                yield Outcome(entry, source, error=err)

    def _request(self, entry: Entry, taken: set[Path]) -> tuple[Request, list[Notice]]:
        source, values = entry.read(self.folder)
        given = {**self.given, **values}
        request = make_request(source, given, self.config, kind=entry.kind)
        output = self.settings.output_dir / (request.output or self._name(request))
        while request.output is None and output in taken:
            output = output.with_stem(f"{output.stem}-2")
        if output in taken:
            raise InputError(f"{entry.place}: {output} is the video of another job, too")
        taken.add(output)
        return replace(request, output=output), platform_notice(given, self.config, request)

    def _name(self, request: Request) -> str:
        """The same in every run: a video that is there is not made again."""
        from soundreel.video.containers import container_of, with_container

        return f"{request.source.stem}.{container_of(with_container(request).encoding).name}"


def _folder_of(jobs: Path) -> Path:
    return jobs if jobs.is_dir() else jobs.parent


def _table(outcomes: list[Outcome]) -> Iterator[str]:
    """A job a line, and how many there are of each kind."""
    width = min(40, max(len(name(outcome.source)) for outcome in outcomes))
    for outcome in outcomes:
        became = outcome.video if outcome.error is None else outcome.error.message
        yield f"{outcome.word:6}  {name(outcome.source):{width}}  {name(became)}"
    counts = [(word, sum(one.word == word for one in outcomes)) for word in _WORDS]
    parts = ", ".join(f"{count} {_WORDS[word]}" for word, count in counts if count)
    yield f"{len(outcomes)} job{'s' * (len(outcomes) != 1)}: {parts}"


_WORDS = {"made": "made", "there": "there already", "failed": "failed"}
