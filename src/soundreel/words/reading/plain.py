"""Plain text: the lines that become cues."""

from __future__ import annotations

import re

from soundreel.words.reading.drafts import tidy_text

LONGEST_LINE = 84
"""Characters of a cue: two lines of 42, as subtitles have them."""

_HEADING = re.compile(r"\s*(?:\[[^\]]*\]|\{[^}]*\}|#.*)\s*")
_BREAKS = (
    re.compile(r".*[.!?…][\"'”’)]*(?= )|.*[。！？]"),
    re.compile(r".*[,;:—–](?= )|.*[、，；]"),
    re.compile(r".*(?= )"),
)
"""Where a long line is broken, the best first."""


def lines_of(text: str) -> tuple[str, ...]:
    """What is said, line by line: headings such as [Chorus] are not; long lines are broken, at the
    ends of sentences where there are any."""
    lines = (tidy_text(line) for line in text.splitlines() if not _HEADING.fullmatch(line))
    return tuple(part for line in lines for part in _broken(line) if _is_said(part))


def _broken(line: str) -> list[str]:
    found = []
    while len(line) > LONGEST_LINE:
        end = _break(line)
        found.append(line[:end].strip())
        line = line[end:].strip()
    return [*found, line]


def _break(line: str) -> int:
    for place in _BREAKS:
        match = place.match(line[: LONGEST_LINE + 1])
        if match and match.end() > LONGEST_LINE // 3:
            return match.end()
    return LONGEST_LINE


def _is_said(line: str) -> bool:
    return any(char.isalnum() for char in line)
