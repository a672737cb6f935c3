"""Whether a new scene begins between two pictures, of which nothing may be made in between.

The motion between them is estimated by optical flow on small copies, and the second is fetched
back along it: in one scene it then correlates with the first, whatever the light does; across a
cut it does not. docs/delivery.md has what was measured.
"""

from __future__ import annotations

import cv2
import numpy as np

from soundreel.post.flow import Map, estimate, moved_back, small_grey
from soundreel.types import Rgb

SIDE = 180
"""Pixels of the shorter side of the copies."""

_SAME_SCENE = 0.5
"""Correlation from which two pictures are of one scene. Measured: cuts -0.28 to 0.48, pictures of
one scene 1/25 s apart 0.67 to 1."""

_SAME_LEVEL = 4
"""Levels of grey by which flat pictures, which correlate with nothing, may differ."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the copies that `is_cut` wants."""
    shrink = min(1.0, SIDE / min(width, height))
    return max(2, round(width * shrink)), max(2, round(height * shrink))


def is_cut(first: Rgb, second: Rgb) -> bool:
    """Whether the second picture begins another scene; both as large as `small_size` says."""
    forward, backward = estimate(first, second)
    greys = small_grey(first).astype(np.float32), small_grey(second).astype(np.float32)
    seen = moved_back(greys[1], forward), moved_back(greys[0], backward)
    pairs = list(zip(greys, seen, strict=True))
    if np.mean([cv2.absdiff(one, other).mean() for one, other in pairs]) < _SAME_LEVEL:
        return False
    return float(np.mean([_correlation(one, other) for one, other in pairs])) < _SAME_SCENE


def _correlation(one: Map, other: Map) -> float:
    """-1 to 1; 0 where one of them is flat."""
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((one**2).mean() * (other**2).mean()))
    return float((one * other).mean()) / spread if spread > 1 else 0.0
