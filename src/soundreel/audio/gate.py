"""Quiet parts of a sound made true silence, so that a mouth rests while others play."""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.segment import stream_clip
from soundreel.audio.silence import FADE
from soundreel.events import RunControl
from soundreel.timeline.grid import first_sample
from soundreel.types import AudioClip, Span

WINDOW = Fraction(1, 10)
"""Seconds over which the level is taken."""

LOUD_PERCENTILE = 90
"""The level that a threshold counts from is exceeded by a tenth of the windows."""

SHORTEST = 2
"""Windows: a shorter quiet stretch is a pause between words, and stays."""


def quiet_spans(
    clip: AudioClip, threshold_db: float, control: RunControl | None = None
) -> tuple[Span, ...]:
    """Stretches of the clip, in seconds of its file, that lie at least -threshold_db below its loud
    level. threshold_db: negative. Raises InputError where the sound cannot be read."""
    levels = window_levels(clip, control)
    loud = float(np.percentile(levels, LOUD_PERCENTILE)) if len(levels) else 0.0
    quiet = levels <= loud * 10 ** (threshold_db / 20)
    edges = [0, *(np.flatnonzero(np.diff(quiet)) + 1).tolist(), len(quiet)]
    return tuple(
        (_begin(clip, begin), _end(clip, end, len(quiet)))
        for begin, end in pairwise(edges)
        if begin < end and quiet[begin] and (end - begin >= SHORTEST or end == len(quiet))
    )


def _begin(clip: AudioClip, window: int) -> Fraction:
    """At the clip's own ends nothing fades: the span begins before it and ends after it."""
    return clip.start + window * WINDOW - (FADE if window == 0 else 0)


def _end(clip: AudioClip, window: int, count: int) -> Fraction:
    return clip.start + (clip.duration + FADE if window == count else window * WINDOW)


def window_levels(clip: AudioClip, control: RunControl | None = None) -> NDArray[np.float64]:
    """Root mean square of every tenth of a second of the clip, its channels made one."""
    count = math.ceil(clip.duration / WINDOW)
    edges = [first_sample(k * WINDOW, clip.rate) for k in range(count + 1)]
    totals = np.zeros(count)
    position = 0
    for block in stream_clip(clip, mono=True, control=control):
        power = np.append(0.0, np.cumsum(block[0].astype(np.float64) ** 2))
        end = position + block.shape[1]
        for k in range(max(0, bisect_right(edges, position) - 1), count):
            if edges[k] >= end:
                break
            inside = [min(max(edge, position), end) - position for edge in edges[k : k + 2]]
            totals[k] += power[inside[1]] - power[inside[0]]
        position = end
    lengths = np.maximum(np.diff(np.minimum(edges, max(position, 1))), 1)
    return np.asarray(np.sqrt(totals / lengths))
