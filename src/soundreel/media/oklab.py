"""Oklab, a colour space in which equal distances look equal.

Source: Björn Ottosson, "A perceptual color space for image processing" (2020), his matrices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundreel.media.srgb import from_linear, to_linear


def to_oklab(rgb: NDArray[np.floating]) -> NDArray[np.float64]:
    """sRGB 0..1 (..., 3) to Oklab: lightness 0..1, green to red, blue to yellow."""
    return np.asarray(np.cbrt(to_linear(rgb) @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T)


def from_oklab(lab: NDArray[np.floating]) -> NDArray[np.float64]:
    """Oklab (..., 3) to sRGB, unclipped."""
    return np.asarray(from_linear((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T))


_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)
