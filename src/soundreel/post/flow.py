"""Pictures between two pictures by optical flow, on the CPU.

Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016)
runs both ways at half size. Each new pixel is fetched from both pictures along the motion, and the
side whose motion is confirmed by the opposite flow weighs more: what only one picture shows is
taken from that one. Deterministic, also across thread counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb

Map = NDArray[np.float32]
"""(height, width): one number for each pixel of the small picture."""

_SHRINK = 2
_SMALLEST = 16
_SEARCH_STEPS = 3
_TOLERANCE = 2.0
"""Pixels of the small picture by which the two flows may disagree before trust fades."""

_LEAST_TRUST = 0.3
"""Where the flows contradict each other, both pictures still count."""

_NO_TRUST = 1e-3
"""What comes from beyond the picture's edge counts only where the other one does too."""

_CUT_TRUST = 0.45
"""Mean trust under which the two pictures show different things. Measured: cuts 0.11 to 0.38,
motion as fast as a third of a second between pictures 0.83 to 1."""

_LEAST_SPREAD = 4
"""Keeps the noise of flat places from being taken for detail."""

_NO_FLOW = cast(Map, None)
"""To begin with. OpenCV takes None, which its types forbid; on an empty array its remap hangs."""


def between(first: Rgb, second: Rgb, times: Sequence[Fraction]) -> list[Rgb]:
    """A picture for each time from 0 (the first one) to 1 (the second). Across a cut there is
    nothing between: the nearer picture is shown, the first one at equal distance."""
    if not times:
        return []
    forward, backward = estimate(first, second)
    if (forward.trust.mean() + backward.trust.mean()) / 2 < _CUT_TRUST:
        return [first if 2 * t <= 1 else second for t in times]
    return [_picture_at(first, second, forward, backward, float(t)) for t in times]


@dataclass(frozen=True, slots=True)
class Motion:
    """Where each pixel goes (dx, dy) in pixels of the small picture, and how far that is believed,
    0 to 1."""

    dx: Map
    dy: Map
    trust: Map


def estimate(first: Rgb, second: Rgb) -> tuple[Motion, Motion]:
    """The motion from the first to the second, and back."""
    small = _evened(small_grey(first), small_grey(second))
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forward = cast(Map, search.calc(small[0], small[1], _NO_FLOW))
    backward = cast(Map, search.calc(small[1], small[0], _NO_FLOW))
    return _motion(forward, backward), _motion(backward, forward)


def small_grey(picture: Rgb) -> Rgb:
    """(height, width): what the motion is estimated on."""
    height, width = (max(side // _SHRINK, _SMALLEST) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return cast(Rgb, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))


def _evened(first: Rgb, second: Rgb) -> tuple[Rgb, Rgb]:
    """Both with the same local brightness and contrast: a glow or a fade is not motion. Without
    this, smooth backgrounds tear when the light changes (up to 6 dB worse than a blend)."""
    (mean_first, spread_first), (mean_second, spread_second) = _local(first), _local(second)
    mean = (mean_first + mean_second) / 2
    spread = np.sqrt(spread_first * spread_second)
    return (
        _bytes((first - mean_first) * (spread / spread_first) + mean),
        _bytes((second - mean_second) * (spread / spread_second) + mean),
    )


def _local(grey: Rgb) -> tuple[Map, Map]:
    """Mean and standard deviation around each pixel."""
    side = min(grey.shape) // 5 | 1
    values = grey.astype(np.float32)
    mean = cv2.blur(values, (side, side))
    variance = cv2.blur(values * values, (side, side)) - mean * mean
    return cast(Map, mean), np.sqrt(np.maximum(variance, 0)) + _LEAST_SPREAD


def _bytes(values: Map) -> Rgb:
    return np.clip(values, 0, 255).astype(np.uint8)


def _motion(flow: NDArray[np.float32], opposite: NDArray[np.float32]) -> Motion:
    """Trust is full where going there and back again ends at the start."""
    dx, dy = flow[..., 0], flow[..., 1]
    x, y = _grid(dx)
    back = cv2.remap(opposite, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Motion(dx, dy, _fade(dx + back[..., 0], dy + back[..., 1]))


def moved_back(values: Map, motion: Motion) -> Map:
    """What lies where the motion leads to, seen from where it begins."""
    x, y = _grid(motion.dx)
    return _sample(values, x + motion.dx, y + motion.dy)


def _picture_at(first: Rgb, second: Rgb, forward: Motion, backward: Motion, t: float) -> Rgb:
    """The picture at `t` of the way (0 to 1) from the first to the second."""
    from_first, trust_first = _fetch(first, forward, t)
    from_second, trust_second = _fetch(second, backward, 1 - t)
    weight_first, weight_second = (1 - t) * trust_first, t * trust_second
    share = cv2.GaussianBlur(weight_first / (weight_first + weight_second), (0, 0), 1.0)
    share = cv2.resize(share, (first.shape[1], first.shape[0]))
    return cast(Rgb, cv2.blendLinear(from_first, from_second, share, 1 - share))


def _fetch(picture: Rgb, motion: Motion, t: float) -> tuple[Rgb, Map]:
    """The picture after `t` of the motion, and the trust in each (small) pixel of it, above 0."""
    x, y = _grid(motion.dx)
    from_x, from_y = x, y
    for _ in range(_SEARCH_STEPS):  # the pixel p that lands here: p + t * motion(p) = here
        shift_x = t * _sample(motion.dx, from_x, from_y)
        shift_y = t * _sample(motion.dy, from_x, from_y)
        from_x, from_y = x - shift_x, y - shift_y
    trust = _sample(motion.trust, from_x, from_y) + _LEAST_TRUST
    height, width = x.shape
    outside = (from_x < -0.5) | (from_x > width - 0.5) | (from_y < -0.5) | (from_y > height - 0.5)
    trust[outside] = _NO_TRUST
    full_x, full_y = _grid(picture[..., 0])
    full_x -= _enlarge(shift_x, picture.shape[1] / width, picture)
    full_y -= _enlarge(shift_y, picture.shape[0] / height, picture)
    moved = cv2.remap(picture, full_x, full_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cast(Rgb, moved), trust


def _grid(like: Map | Rgb) -> tuple[Map, Map]:
    """The x and the y of each pixel of `like` (height, width)."""
    height, width = like.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def _sample(values: Map, x: Map, y: Map) -> Map:
    found = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast(Map, found)


def _fade(error_x: Map, error_y: Map) -> Map:
    return cast(Map, np.exp(-(error_x**2 + error_y**2) / _TOLERANCE**2))


def _enlarge(shift: Map, scale: float, picture: Rgb) -> Map:
    """A shift in small pixels to one in full pixels, a value for each of them."""
    full = cv2.resize(shift, (picture.shape[1], picture.shape[0]))
    return cast(Map, full * np.float32(scale))
