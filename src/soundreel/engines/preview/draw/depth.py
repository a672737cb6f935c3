"""How near each place of a picture may be, from the picture alone: what is in focus, stands out
from the borders by its colour, lies low or in the middle is taken for near.

A guess that serves parallax and light; it is smooth, so that a wrong one bends nothing visibly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from soundreel.engines.preview.canvas.ops import Floats, blur, resize_rgb, shrink
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.media.oklab import to_oklab
from soundreel.types import Rgb

DEPTH_STEP = 16
"""Canvas pixels to one of the depth."""

EDGE_REACH, EDGE_LEAST = 0.06, 60.0
"""How far the guess is drawn to edges of the picture, as a share of the smaller side, and the
variance of grey levels from which on something is an edge."""

SOFT = 0.032
"""Last blur, as a share of the smaller side: no step of depth is steeper."""

Box = tuple[float, float, float, float]
"""x, y, width, height."""


@dataclass(frozen=True, slots=True)
class Depth:
    """near: (h, w) 0 far to 1 near, DEPTH_STEP times smaller than the canvas. anchor: the canvas
    position of what stands out most."""

    near: Floats
    anchor: tuple[float, float]


def guess_depth(canvas: Rgb, box: Box, faces: Sequence[Box]) -> Depth:
    """box: where the whole image lies on the canvas. faces: on the canvas; each is of one depth."""
    height, width = canvas.shape[:2]
    small = (max(4, width // DEPTH_STEP), max(4, height // DEPTH_STEP))
    x = (np.arange(small[0], dtype=np.float32) + 0.5) * (width / small[0])
    y = (np.arange(small[1], dtype=np.float32) + 0.5) * (height / small[1])
    across = (x[None, :] - box[0] - box[2] / 2) / (box[2] / 2)
    down = (y[:, None] - box[1] - box[3] * 0.55) / (box[3] / 2)
    place = np.exp(-(across**2) * 1.2 - np.minimum(down, 0) ** 2 * 1.4 - np.maximum(down, 0) * 0.3)
    little = resize_rgb(canvas, small).astype(np.float32)
    stands_out = _stands_out(little)
    seen = (0.5 * place + 0.3 * stands_out + 0.2 * _focus(canvas, small)) * (0.35 + 0.65 * place)
    near = _drawn_to_edges(np.asarray(seen, np.float32), little)
    low, high = np.percentile(near, (4, 96))
    near = np.clip((near - low) / max(float(high - low), 1e-3), 0, 1)
    near = blur(near, SOFT * min(small))
    attention = blur(np.asarray(stands_out * place, np.float32), 0.1 * min(small))
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    anchor = float(x[column]), float(y[row])
    for face in faces:
        near = np.maximum(near, _plateau(x, y, face))
    if faces:
        anchor = faces[0][0] + faces[0][2] / 2, faces[0][1] + faces[0][3] / 2
    return Depth(np.asarray(np.clip(near, 0, 1), np.float32), anchor)


def _stands_out(little: Floats) -> Floats:
    """0..1: distance of the colour from all that lies along the borders."""
    lab = to_oklab(little / 255)
    ring = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ring = ring[:: max(1, len(ring) // 40)]
    apart = np.linalg.norm(lab[:, :, None] - ring[None, None], axis=3)
    least = np.sort(apart, axis=2)[:, :, : max(1, len(ring) // 5)].mean(axis=2)
    out = blur(least.astype(np.float32), 0.03 * min(little.shape[:2]))
    return np.asarray(np.clip(out / max(float(np.percentile(out, 97)), 0.04), 0, 1))


def _focus(canvas: Rgb, small: tuple[int, int]) -> Floats:
    """0..1: how much fine detail there is; a background out of focus has none."""
    grey = cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY)
    edges = np.asarray(np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=3)), np.float32)
    sharp = blur(shrink(edges, small), 0.05 * min(small))
    return np.asarray(np.sqrt(np.clip(sharp / max(float(np.percentile(sharp, 97)), 1.0), 0, 1)))


def _drawn_to_edges(guess: Floats, picture: Floats) -> Floats:
    """Guided filter (He, Sun, Tang, 2010): the guess, smooth but for the picture's own edges."""
    grey = np.asarray(picture.mean(axis=2), np.float32)
    side = max(3, 2 * round(EDGE_REACH * min(grey.shape)) + 1)

    def mean(plane: Floats) -> Floats:
        return np.asarray(cv2.blur(plane, (side, side)), np.float32)

    centre, level = mean(grey), mean(guess)
    slope = (mean(grey * guess) - centre * level) / (mean(grey * grey) - centre**2 + EDGE_LEAST)
    return np.asarray(mean(slope) * grey + mean(level - slope * centre), np.float32)


def _plateau(x: Floats, y: Floats, face: Box) -> Floats:
    across = (x[None, :] - face[0] - face[2] / 2) / (face[2] / 2)
    down = (y[:, None] - face[1] - face[3] / 2) / (face[3] / 2)
    return np.asarray(1 - smoothstep((np.hypot(across, down) - 1) / 0.9), np.float32)
