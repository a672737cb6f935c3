"""The command line: `soundreel AUDIO`, and the commands beside it."""

from __future__ import annotations

import difflib
import errno
import os
import re
import sys
import traceback
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from soundreel.cli.commands.again import remake
from soundreel.cli.commands.check import check
from soundreel.cli.commands.compare import compare
from soundreel.cli.commands.doctor import doctor, engines
from soundreel.cli.commands.image import image_to_video
from soundreel.cli.commands.interpolate import interpolate
from soundreel.cli.commands.jobs import app as jobs_app
from soundreel.cli.commands.make import generate, plan
from soundreel.cli.commands.many.batch import batch
from soundreel.cli.commands.models import app as models_app
from soundreel.cli.commands.probe import probe
from soundreel.cli.commands.serving.mcp import mcp
from soundreel.cli.commands.serving.serve import serve
from soundreel.cli.flags.help import HelpfulCommand, HelpfulGroup
from soundreel.cli.terminal.say import say, say_error, say_failure, say_json
from soundreel.documents.failures import error_json
from soundreel.errors import Cancelled, InputError, SoundreelError, WorkError
from soundreel.installation import __version__
from soundreel.safe.secrets import keep_environment_secret


class _Group(HelpfulGroup):
    """`soundreel AUDIO` is `soundreel generate AUDIO`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {
            *self.commands,
            *(name for p in self.params for name in (*p.opts, *p.secondary_opts)),
        }
        if args and args[0] not in own and args[0] not in ctx.help_option_names:
            _refuse_misspelt(args[0], self.commands)
            args = ["generate", *args]
        return super().parse_args(ctx, args)


def _refuse_misspelt(word: str, commands: Iterable[str]) -> None:
    """A bare word that is no file is a command misspelt. Raises InputError."""
    if not re.fullmatch(r"[A-Za-z_]+", word) or os.path.lexists(word):
        return
    near = difflib.get_close_matches(word.lower(), commands, n=1)
    raise InputError(
        f"{word!r} is neither a file nor a command",
        hint=f"did you mean: soundreel {near[0]}"
        if near
        else f"commands: {', '.join(commands)}; a sound is given by its file's name",
    )


app = typer.Typer(
    cls=_Group,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sound in, synchronised video out. Stopped? Run the same command again: it goes on "
    "where it was.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"soundreel {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            *("-V", "--version"),
            callback=_print_version,
            is_eager=True,
            help="Print the version.",
        ),
    ] = False,
) -> None:
    pass


_USAGE_ERROR: type[typer.BadParameter] = typer.BadParameter.__bases__[0]
"""Click's UsageError: Typer brings Click along in some versions, and imports it in others."""
_HELP_HINT = "see soundreel --help"
_LONGEST_TRACE = 10_000

_COMMANDS = (
    *(generate, plan, image_to_video, batch, remake, interpolate),
    *(probe, check, compare, doctor, engines, serve, mcp),
)
for command in _COMMANDS:
    app.command(cls=HelpfulCommand)(command)
app.add_typer(models_app, name="models")
app.add_typer(jobs_app, name="jobs")


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
        # Typer would show a usage error in a box, and what acts on the terminal as it is.
        return _ended(app(args or ["--help"], standalone_mode=False, prog_name="soundreel"))
    except SystemExit as end:
        return _ended(end.code)
    except _USAGE_ERROR as err:
        said = err.format_message().replace(": Value error, ", ": ")  # pydantic's way to say it
        _show_error(InputError(said, hint=_HELP_HINT), as_json=as_json)
        return InputError.exit_code
    except typer.Abort:  # what Typer makes of Ctrl-C
        return _ended(Cancelled.exit_code)
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
    """What Typer returns or exits with."""
    if code == Cancelled.exit_code:
        say_error("stopped")
    return code if isinstance(code, int) else 0


def _show_error(error: SoundreelError, *, as_json: bool) -> None:
    if as_json:
        say_json({"error": error_json(error)})
        return
    say_failure(error)
