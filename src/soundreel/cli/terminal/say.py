"""The one place where the commands print: what strangers wrote cannot act on the terminal.

Text holds file names, servers' words, weight files' names; JSON stays exact, by escapes.
"""

from __future__ import annotations

import typer

from soundreel.cli.terminal.spelling import spell
from soundreel.errors import SoundreelError
from soundreel.safe.text import harmless, json_text, shown


def say(text: str) -> None:
    """To stdout. The lines are ours; names in them went through `name` where they may be odd."""
    typer.echo("\n".join(map(harmless, text.split("\n"))))


def say_error(text: str) -> None:
    """To stderr, without secrets; later lines are indented. Mentions of options become flags."""
    typer.echo(shown(spell(text)), err=True)


def say_failure(error: SoundreelError) -> None:
    say_error(f"error: {error.message}")
    if error.hint:
        say_error(f"  hint: {error.hint}")


def say_json(value: object, *, indent: int | None = 2) -> None:
    typer.echo(json_text(value, indent=indent))


def name(text: object) -> str:
    """A file's name or a server's word, to stand inside a line of ours."""
    return harmless(str(text))
