"""The verdicts on a finished video as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from typing import Any

from soundreel.cli.terminal.say import name

CHECK_FAILED = 1
"""Exit code where a line fails."""

SOME_FAILED = 5
"""Exit code where of several jobs at least one got no video."""

WORDS = {"ok": "ok", "note": "note", "fail": "FAIL", "unknown": "?"}
_WIDTH = 79


def verdict_summary(document: Mapping[str, Any]) -> str:
    """ "nothing is wrong", or how many lines of the check fail."""
    lines = document["lines"]
    failed = sum(line["word"] == "fail" for line in lines)
    return f"{failed} of {len(lines)} lines fail" if failed else "nothing is wrong"


def verdict_lines(document: Mapping[str, Any], words: Collection[str] = tuple(WORDS)) -> list[str]:
    """The lines whose verdict is among `words`: verdict, what was looked at, what was found."""
    table = []
    for line in document["lines"]:
        if line["word"] in words:
            first = f"  {WORDS[line['word']]:4}  {line['name']:10}  "
            later = " " * len(first)
            table += textwrap.wrap(
                name(line["found"]), _WIDTH, initial_indent=first, subsequent_indent=later
            )
    return table
