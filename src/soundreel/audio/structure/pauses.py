"""Where nobody speaks: far below the level of the voice, for longer than lips are closed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.structure.listen import CURVE_RATE, Curve

SHORTEST_S = 0.12
"""Stop consonants (p, t, k) are silent for up to a tenth of a second."""

VOICE_PERCENTILE, NOISE_PERCENTILE = 90, 3
"""Levels of the clip that stand for the voice and for the room."""

QUIETEST_DB = -80.0
DEPTH = 0.4
"""A pause lies below this share of the way from the room's level up to the voice's, in decibels,"""

SHALLOWEST_DB, DEEPEST_DB = 18.0, 34.0
"""… but at least and at most so far below the voice."""


def find_pauses(level: Curve) -> NDArray[np.int64]:
    """(P, 2) begin and end of every pause inside the sound, as indices of `level`."""
    if not len(level):
        return np.zeros((0, 2), np.int64)
    decibels = 20 * np.log10(np.maximum(_smooth(level), 10 ** (QUIETEST_DB / 20)))
    voice, room = np.percentile(decibels, [VOICE_PERCENTILE, NOISE_PERCENTILE])
    below = float(np.clip((voice - room) * (1 - DEPTH), SHALLOWEST_DB, DEEPEST_DB))
    quiet = decibels < voice - below
    edges = np.flatnonzero(np.diff(quiet.astype(int))) + 1
    spans = [
        (begin, end)
        for begin, end in pairwise(edges.tolist())
        if quiet[begin] and end - begin >= SHORTEST_S * CURVE_RATE
    ]
    return np.array(spans, np.int64).reshape(-1, 2)


def _smooth(level: Curve) -> Curve:
    """The louder of neighbours: a pause begins where the last sound has died away."""
    padded = np.pad(level, 1, mode="edge")
    return np.asarray(np.max([padded[k : k + len(level)] for k in range(3)], axis=0))
