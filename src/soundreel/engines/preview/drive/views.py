"""When the camera looks elsewhere: at every section's border, and inside long ones on a strong
sound."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.drive.signals import Drive

BEAT_VIEW_S, CALM_VIEW_S = 7.0, 11.0
"""Seconds that one view lasts about: music with a beat changes sooner."""

LEAST_S = 3.0
"""No view is shorter, but where a section is."""

NEAR_S = 1.5
"""An inner border stands on the strongest sound this near."""


@dataclass(frozen=True, slots=True)
class View:
    """Frames [start, end) that are seen in one framing. openness: of its section. opens: whether a
    section begins here."""

    start: int
    end: int
    openness: float
    opens: bool


def find_views(drive: Drive, start: int = 0) -> tuple[View, ...]:
    """All frames from `start` on, in order; a clip of no frames has no view."""
    seconds = BEAT_VIEW_S if drive.rhythm > 0.35 else CALM_VIEW_S
    views = []
    for section in drive.sections:
        if section.end <= start:
            continue
        first = max(section.start, start)
        borders = [first, *_inner(first, section.end, seconds, drive), section.end]
        views += [View(a, b, section.openness, a == section.start) for a, b in pairwise(borders)]
    return tuple(views)


def _inner(start: int, end: int, seconds: float, drive: Drive) -> list[int]:
    """Frames between the two that part them about evenly, each on a strong sound if one is near."""
    count = max(1, round((end - start) / (seconds * drive.fps)))
    chosen: list[int] = []
    for k in range(1, count):
        frame = _struck(start + round((end - start) * k / count), drive)
        least = LEAST_S * drive.fps
        if frame - (chosen[-1] if chosen else start) >= least and end - frame >= least:
            chosen.append(frame)
    return chosen


def _struck(frame: int, drive: Drive) -> int:
    reach = NEAR_S * drive.fps
    near: NDArray[np.bool_] = np.abs(drive.hits - frame) <= reach
    if not near.any():
        return frame
    return int(drive.hits[near][int(np.argmax(drive.strengths[near]))])
