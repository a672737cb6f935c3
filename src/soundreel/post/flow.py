"""Pictures between two pictures by optical flow, on the CPU."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb

Flow = NDArray[np.float32]
"""(height, width, 2): where each pixel goes, x then y, in pixels."""


def between(first: Rgb, second: Rgb, count: int) -> list[Rgb]:
    """`count` pictures evenly between the two."""
    forward, backward = _flow(first, second), _flow(second, first)
    times = ((i + 1) / (count + 1) for i in range(count))
    return [_blend(first, second, forward, backward, t) for t in times]


def _flow(first: Rgb, second: Rgb) -> Flow:
    """From `first` to `second`, estimated at half size."""
    height, width = first.shape[:2]
    small = (max(width // 2, 1), max(height // 2, 1))
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: Any = estimator.calc(_grey(first, small), _grey(second, small), cast(Any, None))
    scale = np.array([width / small[0], height / small[1]], np.float32)
    return cast(Flow, cv2.resize(flow, (width, height)) * scale)


def _grey(picture: Rgb, size: tuple[int, int]) -> Any:
    return cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)


def _blend(first: Rgb, second: Rgb, forward: Flow, backward: Flow, t: float) -> Rgb:
    height, width = first.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    a = cv2.remap(first, x - t * forward[..., 0], y - t * forward[..., 1], cv2.INTER_LINEAR)
    b = cv2.remap(
        second, x - (1 - t) * backward[..., 0], y - (1 - t) * backward[..., 1], cv2.INTER_LINEAR
    )
    return cast(Rgb, cv2.addWeighted(a, 1 - t, b, t, 0))
