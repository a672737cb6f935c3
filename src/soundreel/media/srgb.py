"""The curve between sRGB's values and light (IEC 61966-2-1), 0..1 both ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_linear(rgb: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def from_linear(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    bent = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, bent)
