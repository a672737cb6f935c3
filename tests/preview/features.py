"""Features of made-up sounds, for the tests of the preview engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.features import FLOOR_DB, Features


def features(
    rms: NDArray[np.floating] | Sequence[float], *, beats: NDArray[np.int64] | None = None
) -> Features:
    """White sound of that level: all bands alike, onsets where it rises."""
    level = np.asarray(rms, dtype=np.float32)
    decibels = 20 * np.log10(np.maximum(level, 1e-6))
    band = np.clip(1 + decibels / FLOOR_DB, 0, 1).astype(np.float32)
    rise = np.maximum(np.diff(level, prepend=np.float32(0)), 0)
    onset = rise / max(float(rise.max(initial=0)), 1e-6)
    frames = np.zeros(0, np.int64) if beats is None else beats
    return Features(
        level,
        np.repeat(band[:, None], 8, axis=1),
        onset.astype(np.float32),
        None if beats is None else 120.0,
        frames,
        np.zeros_like(level),
    )


def steady(count: int) -> Features:
    """A sound that neither rises nor falls."""
    return features(np.full(count, 0.3))
