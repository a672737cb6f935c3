"""Who speaks when, heard in the hosts' own tracks: whose track is loud speaks."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.gate import WINDOW, window_levels
from soundreel.audio.load import probe
from soundreel.directing.turn_files import Turn
from soundreel.errors import InputError
from soundreel.events import RunControl

LOUD_PERCENTILE = 99
"""A host's loud level is exceeded by a hundredth of the windows: some say little."""

LEAST_SHARE = 0.25
"""Of the loudest host's level: a track that only hears the others is not lifted to their level."""

BEGINS, ENDS = 10 ** (-20 / 20), 10 ** (-30 / 20)
"""Of a host's loud level: a voice begins above the first, and ends below the second."""

LOUDER = 10 ** (6 / 20)
"""So much louder another one must be to take the picture from one who still speaks."""


def turns_of_tracks(
    tracks: Mapping[str, Path], control: RunControl, *, allow_truncated: bool = False
) -> tuple[Turn, ...]:
    """Each in tenths of a second, one at a time. Raises InputError where nobody is heard."""
    clips = [
        probe(path, allow_truncated=allow_truncated, control=control).clip
        for path in tracks.values()
    ]
    levels = [window_levels(clip, control) for clip in clips]
    length = max(map(len, levels))
    speaking = who_speaks(np.array([np.pad(row, (0, length - len(row))) for row in levels]))
    edges = [0, *(np.flatnonzero(np.diff(speaking)) + 1).tolist(), length]
    names = list(tracks)
    turns = tuple(
        Turn(
            begin * WINDOW,
            end * WINDOW,
            names[speaking[begin]],
            tracks[names[speaking[begin]]].name,
        )
        for begin, end in pairwise(edges)
        if speaking[begin] >= 0
    )
    if not turns:
        raise InputError.about({"drive": list(tracks)}, "nobody is heard in these tracks")
    return turns


def who_speaks(levels: NDArray[np.float64]) -> NDArray[np.int64]:
    """levels: (tracks, windows), root mean squares. The track that has the turn in each window; -1
    where nobody speaks."""
    loud = np.percentile(levels, LOUD_PERCENTILE, axis=1)
    scale = np.maximum(np.maximum(loud, LEAST_SHARE * loud.max()), np.finfo(float).tiny)
    turns = np.full(levels.shape[1], -1, np.int64)
    current = -1
    for window, now in enumerate((levels / scale[:, None]).T):
        first = int(now.argmax())
        if current >= 0 and now[current] < ENDS:
            current = -1
        if now[first] > BEGINS and (current < 0 or now[first] > LOUDER * now[current]):
            current = first
        turns[window] = current
    return turns
