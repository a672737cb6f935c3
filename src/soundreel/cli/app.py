"""The command line: `soundreel AUDIO`, and the commands beside it."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from soundreel.cli.commands.doctor import doctor, engines
from soundreel.cli.commands.make import generate, plan
from soundreel.cli.commands.models import app as models_app
from soundreel.cli.commands.probe import probe
from soundreel.cli.terminal.report import error_json
from soundreel.cli.terminal.say import say, say_error, say_json
from soundreel.errors import Cancelled, InputError, SoundreelError, WorkError
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


_USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
"""Click's UsageError: Typer brings Click along in some versions, and imports it in others."""
_HELP_HINT = "see soundreel --help"
_LONGEST_TRACE = 10_000

app.command()(generate)
app.command()(plan)
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
