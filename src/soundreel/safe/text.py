"""Makes the text of strangers harmless: file names, servers' words, versions, weight files' names.

A terminal obeys control characters (ESC and the 8-bit CSI move the cursor, set its title, write to
the clipboard), and bidirectional marks show a name in another order than it has. Both are shown as
escapes instead. Whatever reaches a person passes `shown`; JSON passes `json_text`.
"""

from __future__ import annotations

import json
import re
import unicodedata

from soundreel.safe.secrets import redacted

_LONGEST = 20_000
"""Characters of one message; a server may send megabytes."""

_INDENT = "\n    "
_BREAK = re.compile(r"[ \t]*(?:\r\n?|[\n\v\f\u0085\u2028\u2029])\s*")
_JOINERS = "\u200c\u200d"  # they join letters and emoji, and move nothing
_SUSPECT = re.compile(r"[^ -~]")


def shown(text: str) -> str:
    """For people: no secrets, no control characters; bounded.

    A later line is indented, so that foreign text cannot pass for a message of its own.
    """
    return harmless(redacted(_bounded(text)))


def harmless(text: str) -> str:
    """Control, format and bidirectional characters as escapes (`\\x1b`, `\\u202e`); the same again
    gives the same."""
    return _SUSPECT.sub(_escaped, _BREAK.sub(_INDENT, text.rstrip("\r\n")))


def json_text(value: object, *, indent: int | None = None, compact: bool = False) -> str:
    """JSON that is harmless on a terminal and exact: what would act is written `\\u009b`."""
    separators = (",", ":") if compact else None
    text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)
    return _SUSPECT.sub(_json_escaped, text)


def _acts(char: str) -> bool:
    """Cc controls, Cf format (bidi, tags), Cs lone surrogates, Zl and Zp line separators."""
    if char in _JOINERS:
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\n" or not _acts(char):
        return char
    if char == "\t":
        return " "
    return char.encode("unicode_escape", "surrogatepass").decode()


def _json_escaped(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\n" or not _acts(char):  # a line break stands between values, never inside one
        return char
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _bounded(text: str) -> str:
    rest = len(text) - _LONGEST
    return text if rest <= 0 else f"{text[:_LONGEST]} ... ({rest:,} more characters)"
