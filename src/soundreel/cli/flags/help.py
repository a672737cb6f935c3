"""Help for people: examples first, then what is needed most, in columns that fit the window."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand, TyperGroup

from soundreel.cli.flags.engine_options import ENGINE_PANEL
from soundreel.cli.terminal.say import say
from soundreel.options.table import FILE, PICTURE, RUN, SOUND, WORDS

_PANELS = (SOUND, PICTURE, WORDS, FILE, RUN, ENGINE_PANEL)
"""In this order; panels of others follow."""
_WIDEST = 100
_NAMES = 26
"""Columns for the names of options; longer ones stand on a line of their own."""
_LEAST_TEXT = 28
"""Columns that words beside the names need; narrower windows have them below."""

_MAIN = {
    "audio_start",
    "audio_duration",
    "ref_image",
    "positive",
    "size",
    "for_",
    "output",
    "engine",
}
"""Options in the short help, by their keys."""

_EXAMPLES = (
    ("soundreel song.mp3", "a video of the whole song"),
    ("soundreel talk.m4a --image host.png", "a portrait that speaks"),
    ("soundreel song.mp3 --start 1:30 --duration 5", "a piece of it"),
    ("soundreel *.mp3 -o videos/", "several sounds, a video of each"),
    ("soundreel doctor", "what can run here"),
)


class HelpfulCommand(TyperCommand):
    """A command whose help is ours."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  (Click's signature)
        say("\n".join(_command_help(self, ctx)))


class HelpfulGroup(TyperGroup):
    """Commands whose list is ours; the outermost begins with examples and the main options."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        lines = _command_help(self, ctx) if ctx.parent else _first_help(self, ctx)
        say("\n".join(lines))


@dataclass(frozen=True, slots=True)
class _Entry:
    """An option, argument or command: how it is written, and what it does."""

    names: str
    text: str
    panel: str = ""
    key: str = ""


def _first_help(group: Any, ctx: Any) -> Iterator[str]:
    making = group.commands["generate"]
    yield from _usage(f"{ctx.command_path} AUDIO... [OPTIONS]")
    yield from _usage(f"{ctx.command_path} COMMAND [OPTIONS]", "       ")
    yield from ("", *_wrapped(group.help))
    yield from _titled("Examples", (_Entry(*each) for each in _EXAMPLES), names=45)
    yield from _panels(entry for entry in _entries(making, ctx) if entry.key in _MAIN)
    yield from _commands(group)
    own = [_entry(param) for param in group.get_params(ctx) if param.param_type_name == "option"]
    yield from _titled("Other", own)
    yield from ("", *_wrapped(f"All options of a video: {ctx.command_path} generate --help"))


def _command_help(command: Any, ctx: Any) -> Iterator[str]:
    entries = list(_entries(command, ctx))
    arguments = [entry for entry in entries if not entry.names.startswith("-")]
    given = " ".join(entry.names for entry in arguments)
    path = ctx.command_path.removesuffix(" generate")
    yield from _usage(" ".join(filter(None, [path, given, "[OPTIONS]", *_subcommand(command)])))
    yield from ("", *_wrapped(command.help or ""))
    yield from _titled("", arguments)
    yield from _panels(entry for entry in entries if entry not in arguments)
    yield from _commands(command)


def _usage(text: str, lead: str = "Usage: ") -> list[str]:
    return textwrap.wrap(text, _width(), initial_indent=lead, subsequent_indent="         ")


def _subcommand(command: Any) -> list[str]:
    return ["[COMMAND]"] if getattr(command, "commands", None) else []


def _commands(group: Any) -> list[str]:
    found = getattr(group, "commands", {})
    texts = {name: each.help or "" for name, each in found.items() if not each.hidden}
    return _titled(
        "Commands", [_Entry(name, _first_sentence(text)) for name, text in texts.items()]
    )


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s", text.strip(), maxsplit=1)[0]


def _entries(command: Any, ctx: Any) -> Iterator[_Entry]:
    return (_entry(param) for param in command.get_params(ctx) if not getattr(param, "hidden", 0))


def _entry(param: Any) -> _Entry:
    """The names in use first, the classic ones after them; what it takes, unless yes or no."""
    if param.param_type_name == "argument":
        return _Entry(param.metavar or param.name.upper(), param.help or "")
    short = [name for name in param.opts if not name.startswith("--")]
    long = [name for name in param.opts if name.startswith("--")]
    names = ", ".join([*short, *reversed(long)])
    value = "" if param.is_flag else f" {param.metavar or 'TEXT'}"
    default = param.show_default if isinstance(param.show_default, str) else ""
    text = param.help or ""
    if default and default != "none":
        text = f"{text} [{default}]"
    panel = getattr(param, "rich_help_panel", None) or ""
    return _Entry(names + value, text, panel, param.name)


def _panels(entries: Iterable[_Entry]) -> Iterator[str]:
    found: dict[str, list[_Entry]] = {name: [] for name in _PANELS}
    for entry in entries:
        found.setdefault(entry.panel or "Other", []).append(entry)
    for title, members in found.items():
        yield from _titled(title, sorted(members, key=lambda entry: entry.key not in _MAIN))


def _titled(title: str, entries: Iterable[_Entry], names: int = _NAMES) -> list[str]:
    rows = list(entries)
    if not rows:
        return []
    heading = [f"{title}:"] if title else []
    return ["", *heading, *_columns(rows, min(names, max(len(row.names) for row in rows)))]


def _columns(rows: Sequence[_Entry], names: int) -> Iterator[str]:
    width = _width()
    beside = width - names - 4 >= _LEAST_TEXT
    for row in rows:
        lines = _wrapped(row.text, width - names - 4 if beside else width - 6)
        pad = " " * (names + 4 if beside else 6)
        if beside and len(row.names) <= names:
            yield f"  {row.names:{names}}  {lines[0] if lines else ''}".rstrip()
            lines = lines[1:]
        else:
            yield from _wrapped_names(row.names, width)
        yield from (f"{pad}{line}" for line in lines)


def _wrapped_names(names: str, width: int) -> list[str]:
    """Between words; where one is too long, between the values that it offers."""
    lines = _indented(names, width)
    if max(map(len, lines)) <= width:
        return lines
    return [line.replace("| ", "|") for line in _indented(names.replace("|", "| "), width)]


def _indented(names: str, width: int) -> list[str]:
    return textwrap.wrap(
        names, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False
    )


def _wrapped(text: str, width: int | None = None) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), width or _width(), break_long_words=False, break_on_hyphens=False
    )


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)
