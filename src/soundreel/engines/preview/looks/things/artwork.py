"""What a thing shows where there is no artwork."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.staging.inks import Inks


def tile(inks: Inks, side: int) -> NDArray[np.float32]:
    """(side, side, 3) where there is no artwork: the palette's keys in waves round a corner."""
    fine = 2 * side
    place = (np.arange(fine) + 0.5) / fine
    away = np.hypot(place[None] - 0.95, place[:, None] - 1.02)
    band = np.floor(away * 7) / 7
    hue = 0.08 + 0.62 * band
    tone = 0.5 + 0.55 * (1 - band) + 0.12 * (away * 7 % 1)
    pairs = inks.rgb(hue, tone).reshape(side, 2, side, 2, 3)
    return np.asarray(pairs.mean(axis=(1, 3)), np.float32)
