"""What is said of a file: one line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Word = Literal["ok", "note", "fail", "unknown"]
"""note: worth knowing, and may be meant. unknown: cannot be told from this file."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: its verdict, what was found in words, the seconds of the video
    where it was found, and the figures behind it by name (seconds, samples, decibels as named)."""

    name: str
    word: Word
    found: str
    places: tuple[float, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def worst(words: Sequence[Word]) -> Word:
    """The verdict of several."""
    order: tuple[Word, ...] = ("fail", "note", "ok", "unknown")
    return next((word for word in order if word in words), "unknown")


def places_text(places: Sequence[float], most: int = 3) -> str:
    """Where it is, as people read it: "at 0:12.30, 0:15.02 and 4 more"."""
    shown = ", ".join(clock_text(place) for place in places[:most])
    rest = len(places) - most
    return f"at {shown}" + (f" and {rest} more" if rest > 0 else "")


def clock_text(seconds: float) -> str:
    """0:07.25, 1:02:03.00: hundredths, since a picture is shorter than a second."""
    whole, hundredths = divmod(round(seconds * 100), 100)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    head = f"{hours}:{minute:02d}" if hours else f"{minute}"
    return f"{head}:{second:02d}.{hundredths:02d}"


def milliseconds(seconds: float) -> str:
    """+33 ms, -187 ms."""
    return f"{seconds * 1000:+.0f} ms"
