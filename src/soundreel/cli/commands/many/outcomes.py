"""What became of the jobs of a list, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundreel.cli.commands.many.job_list import Entry
from soundreel.cli.terminal.say import name
from soundreel.cli.terminal.spelling import spell
from soundreel.safe.text import shown


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the job with this number in the list, from 1. name: what it is called while several run.
    `video` was there already; `made` is what was made (see `report.result_json`); `error` why
    nothing was (see `documents.failures`)."""

    number: int
    entry: Entry
    name: str
    video: Path | None = None
    made: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def word(self) -> str:
        if self.error is not None:
            return "failed"
        return "made" if self.made is not None else "there"

    @property
    def became(self) -> str:
        if self.error is not None:
            return str(self.error["message"])
        return str(self.video if self.made is None else self.made["path"])

    @property
    def failed_check(self) -> bool:
        verdict = (self.made or {}).get("check")
        return verdict is not None and verdict["verdict"] == "fail"

    def document(self) -> dict[str, object]:
        """As one line of JSON says it."""
        said = {"job": self.entry.place, "source": self.entry.source, "outcome": self.word}
        if self.error is not None:
            return {**said, "error": self.error}
        return {**said, **({"path": self.became} if self.made is None else self.made)}


def failure_lines(error: Mapping[str, Any]) -> list[str]:
    """Fit to print."""
    lines = [f"error: {error['message']}"]
    if error.get("hint"):
        lines.append(f"  hint: {error['hint']}")
    return [shown(spell(line)) for line in lines]


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A job a line, and how many there are of each kind."""
    width = min(40, max(len(name(outcome.entry.source)) for outcome in outcomes))
    for outcome in outcomes:
        source = name(outcome.entry.source)
        yield f"{outcome.word:6}  {source:{width}}  {name(outcome.became)}"
    counts = [(word, sum(one.word == word for one in outcomes)) for word in _WORDS]
    parts = ", ".join(f"{count} {_WORDS[word]}" for word, count in counts if count)
    yield f"{len(outcomes)} job{'s' * (len(outcomes) != 1)}: {parts}"


_WORDS = {"made": "made", "there": "there already", "failed": "failed"}
