"""One decoded frame of PyAV as floats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""(channels, n), -1..1."""

_PLANES_LOST = 8
"""From so many planes on PyAV (17 to 19) reads past their end and crashes: pack them first."""


def seconds(frame: AudioFrame) -> Fraction | None:
    """The frame's timestamp."""
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * frame.time_base


def floats(frame: AudioFrame) -> Samples:
    """Integers are scaled by their full range; NaN becomes silence. Floats may be beyond 1."""
    if frame.format.is_planar and frame.layout.nb_channels >= _PLANES_LOST:
        (frame,) = AudioResampler(format=frame.format.packed).resample(frame)
    array: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_packed:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - np.float32(128)) / np.float32(128)
    if array.dtype.kind == "i":
        return array.astype(np.float32) / np.float32(-float(np.iinfo(array.dtype).min))
    return np.nan_to_num(array.astype(np.float32), posinf=2, neginf=-2)
