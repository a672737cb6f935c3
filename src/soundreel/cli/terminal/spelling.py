"""Options as a person types them: `width=832` in the core's words is --width 832 here."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping

from soundreel.config import SETTINGS_OPTIONS
from soundreel.options.option import Option
from soundreel.options.table import REQUEST_OPTIONS

COMMANDS: Mapping[str, str] = {"sound": "soundreel", "image": "soundreel image-to-video"}
"""What makes a video, by the kind of its request."""

_NAME = r"[a-z][a-z0-9_]*="
_MENTION = re.compile(rf"`({_NAME}[^`]*)`")
_ONLY_NAMES = re.compile(rf"{_NAME}(?:, {_NAME})*")


def spell(text: str) -> str:
    """The text with every mention of options (`errors.mention`) as flags."""
    return _MENTION.sub(lambda match: _flags(match[1]), text)


def flag(name: str) -> str:
    """The flag of a field of the request, a setting or an engine's option; AUDIO has none."""
    return _FLAGS.get((name,)) or dashed(name)


def dashed(name: str) -> str:
    """A flag by its name: flow_shift -> --flow-shift, p -> -p, for_ -> --for."""
    return f"--{name.rstrip('_').replace('_', '-')}" if len(name) > 1 else f"-{name}"


def _flag_of(row: Option) -> str:
    """The name that the field has too, else the first long one."""
    if not row.names:
        return row.fields[0].upper()
    return dashed(row.fields[0] if row.fields[0] in row.names else row.key)


_FLAGS = {
    tuple(path.rpartition(".")[2] for path in row.fields): _flag_of(row)
    for row in (*REQUEST_OPTIONS, *SETTINGS_OPTIONS)
}


def _flags(mention: str) -> str:
    values = _read(mention)
    if values is None:
        return f"`{mention}`"
    if tuple(values) in _FLAGS and len(values) > 1:
        given = [value for value in values.values() if value is not None]
        return " ".join([_FLAGS[tuple(values)], *(["x".join(given)] if given else [])])
    return " ".join(
        flag(name) if value is None else f"{flag(name)} {shlex.quote(value)}"
        for name, value in values.items()
    )


def _read(mention: str) -> dict[str, str | None] | None:
    """Name -> value, None for a name alone; None if it is not a mention after all."""
    if _ONLY_NAMES.fullmatch(mention):
        return dict.fromkeys(re.findall(r"(\w+)=", mention))
    source = f"f({mention})"
    try:
        call = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Call) or call.args:
        return None
    return {word.arg: _value(word.value, source) for word in call.keywords if word.arg}


def _value(node: ast.expr, source: str) -> str | None:
    """As it stands there: what acts on a terminal stays escaped."""
    written = ast.get_source_segment(source, node) or ""
    if isinstance(node, ast.List):
        return ",".join(_value(item, source) or "" for item in node.elts)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\\(['\"\\])", r"\1", written[1:-1])
    return None if written == "True" else written
