"""Pictures that wait from one part to the next, without loss."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from soundreel.errors import WorkError
from soundreel.types import Rgb

_SWAPPED = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
"""To OpenCV's order of channels and back."""


def packed(rgb: Rgb) -> bytes:
    """As PNG."""
    _, data = cv2.imencode(".png", cv2.cvtColor(rgb, _SWAPPED[rgb.shape[2]]))
    return data.tobytes()


def unpacked(data: bytes) -> Rgb:
    """Raises WorkError where it is none of ours."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if picture is None or picture.ndim != 3:
        raise WorkError(
            "a saved picture between two parts is damaged",
            hint="remove the work folder of this job, then run the same command again",
        )
    return cast(Rgb, cv2.cvtColor(picture, _SWAPPED[picture.shape[2]]))
