"""A job that is watched on the terminal, and what is said of its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from soundreel.cli.terminal.logfile import LogFile
from soundreel.cli.terminal.report import (
    interpolated_json,
    interpolated_summary,
    result_json,
    result_summary,
)
from soundreel.cli.terminal.say import name, say, say_json
from soundreel.cli.terminal.spelling import spell
from soundreel.cli.terminal.stopping import stop_on_signals
from soundreel.events import RunControl
from soundreel.types import Interpolated, Result


@contextmanager
def watched(*, silent: bool, log: LogFile | None = None) -> Iterator[RunControl]:
    """A control whose progress is shown, unless `silent`, told to the `log`, and which Ctrl-C
    cancels."""
    from soundreel.progress.reporters import make_reporter

    with make_reporter(quiet=silent, spell=spell) as reporter:
        if log is not None:
            log.tell = reporter.handle
        control = RunControl(reporter.handle if log is None else log.handle)
        with stop_on_signals(control):
            yield control


def say_result(result: Result, *, quiet: bool, as_json: bool) -> None:
    """One JSON document, or the file's name, or a summary."""
    if as_json:
        say_json(result_json(result))
    else:
        say(name(result.path) if quiet else result_summary(result))


def say_interpolated(made: Interpolated, *, quiet: bool, as_json: bool) -> None:
    """As `say_result`, of a video at a new rate."""
    if as_json:
        say_json(interpolated_json(made))
    else:
        say(name(made.path) if quiet else interpolated_summary(made))
