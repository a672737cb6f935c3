"""Small tools for curves over the frames of a clip: all exact in time, none looks sideways unless
its name says so."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float32]
"""One value a frame, (N,)."""


def hold_and_fall(values: NDArray[np.floating], fps: float, half_life: float) -> Curve:
    """Rises at once with `values`, falls by half in `half_life` seconds: never late."""
    keep = 0.5 ** (1 / (fps * half_life))
    out = np.empty(len(values), dtype=np.float32)
    level = 0.0
    for i, value in enumerate(values.tolist()):
        level = max(value, level * keep)
        out[i] = level
    return out


def smooth(values: NDArray[np.floating], fps: float, seconds: float) -> Curve:
    """Centred: three box filters, together about `seconds` wide; ends are held."""
    width = max(1, round(seconds * fps / 3)) | 1
    out = values.astype(np.float64)
    if len(out) == 0:
        return out.astype(np.float32)
    for _ in range(3):
        out = _box(out, width)
    return out.astype(np.float32)


def _box(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    half = width // 2
    total = np.cumsum(np.pad(values, (half + 1, half), mode="edge"))
    return (total[width:] - total[:-width])[: len(values)] / width


def relative(values: NDArray[np.floating], floor: float, power: float) -> Curve:
    """0..1 against the clip's own loud level (95th percentile, at least `floor`)."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.float32)
    loud = max(float(np.percentile(values, 95)), floor)
    return np.asarray(np.clip(values / loud, 0.0, 1.15) ** power, dtype=np.float32)


def smoothstep(x: NDArray[np.floating] | float) -> NDArray[np.floating]:
    t = np.clip(x, 0.0, 1.0)
    out = t * -2.0
    out += 3.0
    out *= t
    out *= t
    return np.asarray(out)


def ramp_in(num_frames: int, fps: float, seconds: float) -> Curve:
    """From 0 to 1 over the first `seconds`; the first frame already shows a little."""
    frames = max(1, math.ceil(seconds * fps))
    return smoothstep((np.arange(num_frames) + 1) / frames).astype(np.float32)
