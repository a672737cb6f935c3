"""The command line: `soundreel AUDIO`, and the commands beside it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from soundreel.cli.arguments import (
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
from soundreel.cli.inspect import doctor, engines, probe
from soundreel.cli.logfile import LogFile
from soundreel.cli.models import app as models_app
from soundreel.cli.report import (
    error_json,
    plan_json,
    plan_report,
    result_json,
    result_summary,
)
from soundreel.cli.say import name, say, say_error, say_json
from soundreel.errors import Cancelled, InputError, SoundreelError, WorkError
from soundreel.events import RunControl
from soundreel.safe.secrets import keep_environment_secret
from soundreel.safe.text import harmless


class _Group(TyperGroup):
    """`soundreel AUDIO` is `soundreel generate AUDIO`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {
            *self.commands,
            *(name for p in self.params for name in (*p.opts, *p.secondary_opts)),
        }
        if args and args[0] not in own and args[0] not in ctx.help_option_names:
            args = ["generate", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Sound in, synchronised video out. [bold]soundreel AUDIO[/bold] makes a video of it.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from soundreel.versions import soundreel_version

        say(f"soundreel {soundreel_version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
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
    from soundreel.cli.progress import make_reporter

    silent = quiet or as_json
    with make_reporter(quiet=silent) as reporter, LogFile(log_file, reporter.handle) as log:
        control = RunControl(log.handle)
        with _stop_on_signals(control):
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


@app.command()
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
    from soundreel.cli.progress import make_reporter

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


_USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
"""Click's UsageError: Typer brings Click along in some versions, and imports it in others."""
_HELP_HINT = "see soundreel --help"
_LONGEST_TRACE = 10_000

app.command()(probe)
app.command()(doctor)
app.command()(engines)
app.add_typer(models_app, name="models")


def main() -> None:
    """Entry point: every failure becomes one sentence, a hint and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold any byte
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run the program; returns its exit code."""
    as_json = "--json" in args
    keep_environment_secret(os.environ)
    try:
        # Typer shows a usage error in a box; as a document, and where words in it could act on the
        # terminal, it is ours to print.
        plain = not as_json and all(harmless(word) == word for word in args)
        return _ended(app(args, standalone_mode=plain))
    except SystemExit as end:
        return _ended(end.code)
    except _USAGE_ERROR as err:
        _show_error(InputError(err.format_message(), hint=_HELP_HINT), as_json=as_json)
        return InputError.exit_code
    except Cancelled:
        say_error("stopped; run the same command again to go on")
        return Cancelled.exit_code
    except SoundreelError as err:
        _show_error(err, as_json=as_json)
        return err.exit_code
    except OSError as err:  # what is ours to read and write raises our own errors
        say_error(f"error: {_what_failed(err)}: {err.strerror or err}")
        return WorkError.exit_code
    except Exception as err:  # a fault of ours: its traceback may hold a secret
        say_error("".join(traceback.format_exception(err))[-_LONGEST_TRACE:])
        say_error(f"error: unexpected {type(err).__name__}, which is a fault of soundreel")
        say_error("  hint: please report it with the file of: soundreel doctor --report FILE")
        return SoundreelError.exit_code


def _what_failed(error: OSError) -> str:
    if error.filename is not None:
        return f"cannot use {os.fsdecode(error.filename)}"
    if error.errno == errno.ENOENT:  # os.getcwd, which names nothing
        return "the current folder is gone: change to another"
    return "cannot print the result"


def _ended(code: object) -> int:
    """What Typer returns or exits with; it makes a silent 130 of Ctrl-C."""
    if code == Cancelled.exit_code:
        say_error("stopped")
    return code if isinstance(code, int) else 0


def _show_error(error: SoundreelError, *, as_json: bool) -> None:
    if as_json:
        say_json({"error": error_json(error)})
        return
    say_error(f"error: {error.message}")
    if error.hint:
        say_error(f"  hint: {error.hint}")


_STOPS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def _stop_on_signals(control: RunControl) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a terminal that is closed stop the job at the next frame or step; a
    second Ctrl-C at once. Who started us deaf to one of them (nohup) meant it."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if control.cancelled:
            raise Cancelled("stopped at once")
        control.cancel()

    heard = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
