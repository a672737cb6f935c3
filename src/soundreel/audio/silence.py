"""Spans of a sound that are read as silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.timeline.grid import first_sample
from soundreel.types import Span

FADE = Fraction(1, 50)
"""Seconds in which the sound fades at both ends of a silence."""


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same silence in rising spans that do not touch."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return tuple(found)


def silenced(
    block: NDArray[np.float32], start: int, rate: int, spans: Sequence[Span]
) -> NDArray[np.float32]:
    """A block (channels, n) whose first sample is number `start` of the file, with the spans made
    silent; each fades out and in within `FADE` inside its ends."""
    end = start + block.shape[1]
    shape: NDArray[np.float32] | None = None
    for begin, finish in spans:
        first, last = first_sample(begin, rate), first_sample(finish, rate)
        if first >= end or last <= start:
            continue
        if shape is None:
            shape = np.ones(block.shape[1], np.float32)
        places = np.arange(max(first, start), min(last, end))
        away = np.minimum(places - first, last - 1 - places) / max(1, round(FADE * rate))
        shape[places - start] = np.maximum(0, 1 - away)
    return block if shape is None else block * shape
