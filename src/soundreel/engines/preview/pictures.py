"""The reference image, fitted to the frame with room to move, and what is drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.palettes import Palette, format_colour, from_keys, from_oklab
from soundreel.engines.preview.palettes import to_oklab as _lab
from soundreel.types import Rgb

MARGIN = 0.06
"""Canvas beyond the frame on each side, as a share of the smaller side: the camera drifts in it."""

FEATHER = 0.05
"""Width of the border in which the image melts into its surround, as a share of the smaller side."""

ALIKE = 1.12
"""Shapes that differ by less than this factor are simply filled."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """canvas: (H, W, 3) uint8, the frame and a margin all round. image_box: where the whole image
    lies on the canvas (x, y, width, height; may reach beyond it). depth: (h, w) float32 0 far to 1
    near, a sixteenth of the canvas. glow: (h, w, 3) float32, highlights of the canvas, blurred, a
    quarter of its size."""

    canvas: Rgb
    margin: int
    image_box: tuple[float, float, float, float]
    depth: NDArray[np.float32]
    glow: NDArray[np.float32]
    palette: Palette


class FrameWarp(Protocol):
    """Something on the canvas that moves by itself, e.g. a mouth."""

    def apply(self, canvas: Rgb, index: int) -> Rgb:
        """The canvas as frame `index` needs it: the same array if nothing moves, else a copy.
        A pure function of the two."""
        ...


def make_source(image: Rgb, width: int, height: int, fit: str) -> ImageSource:
    margin = max(2, round(MARGIN * min(width, height)))
    size = (width + 2 * margin, height + 2 * margin)
    alike = (image.shape[1] / image.shape[0]) / (width / height)
    if fit == "crop" or 1 / ALIKE < alike < ALIKE:
        canvas, box = _fill(image, size)
    else:
        canvas, box = _surround(image, size, (width, height))
    return ImageSource(
        canvas, margin, box, _depth(canvas, box), _glow(canvas), image_palette(image)
    )


def image_palette(image: Rgb) -> Palette:
    """Three colours that stand out: clusters of the image, the more colourful the better."""
    small = cv2.resize(image, (48, 48), None, 0, 0, cv2.INTER_AREA).reshape(-1, 3)
    lab = _lab(small / 255.0)
    centres, sizes = _clusters(lab, 6)
    chroma = np.hypot(centres[:, 1], centres[:, 2])
    best = np.argsort(-(chroma * np.sqrt(sizes)), kind="stable")[:3]
    keys = centres[best].copy()
    keys[:, 0] = np.clip(keys[:, 0], 0.45, 0.72)
    return from_keys([format_colour(from_oklab(key)) for key in keys])


def _clusters(
    points: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """k-means from a fixed start (spread along lightness and hue), so the same on every run."""
    order = np.lexsort((np.arctan2(points[:, 2], points[:, 1]), np.round(points[:, 0] * 4)))
    centres = points[order[np.linspace(0, len(points) - 1, count).astype(int)]].copy()
    owner = np.zeros(len(points), dtype=int)
    for _ in range(12):
        distance = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
        owner = distance.argmin(axis=1)
        for k in range(count):
            if (owner == k).any():
                centres[k] = points[owner == k].mean(axis=0)
    return centres, np.bincount(owner, minlength=count) / len(points)


def _scaled(image: Rgb, width: float, height: float) -> Rgb:
    shrinks = width < image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(
        cv2.resize(image, (max(1, round(width)), max(1, round(height))), None, 0, 0, how)
    )


def _fill(image: Rgb, size: tuple[int, int]) -> tuple[Rgb, tuple[float, float, float, float]]:
    """The canvas covered, borders cut; a tall image keeps more of its upper part, where faces are."""
    width, height = size
    scale = max(width / image.shape[1], height / image.shape[0])
    big = _scaled(image, image.shape[1] * scale, image.shape[0] * scale)
    x = max(0, (big.shape[1] - width) // 2)
    y = max(0, round((big.shape[0] - height) * 0.38))
    canvas = np.ascontiguousarray(big[y : y + height, x : x + width])
    if canvas.shape[:2] != (height, width):
        canvas = np.asarray(cv2.resize(canvas, size))
    return canvas, (-float(x), -float(y), float(big.shape[1]), float(big.shape[0]))


def _surround(
    image: Rgb, size: tuple[int, int], frame: tuple[int, int]
) -> tuple[Rgb, tuple[float, float, float, float]]:
    """The whole image in the middle of its own blurred, darkened self."""
    width, height = size
    back = _backdrop(image, size)
    scale = min(frame[0] / image.shape[1], frame[1] / image.shape[0])
    if frame[0] / image.shape[1] < frame[1] / image.shape[0]:
        scale = size[0] / image.shape[1]
    else:
        scale = size[1] / image.shape[0]
    front = _scaled(image, image.shape[1] * scale, image.shape[0] * scale)
    x, y = (width - front.shape[1]) // 2, (height - front.shape[0]) // 2
    mask = _feathered(front.shape[1], front.shape[0], FEATHER * min(frame), size)
    canvas = back.astype(np.float32)
    area = canvas[y : y + front.shape[0], x : x + front.shape[1]]
    area += (front.astype(np.float32) - area) * mask[..., None]
    box = (float(x), float(y), float(front.shape[1]), float(front.shape[0]))
    return cv2.convertScaleAbs(canvas), box


def _backdrop(image: Rgb, size: tuple[int, int]) -> Rgb:
    small = (max(2, size[0] // 8), max(2, size[1] // 8))
    filled, _ = _fill(_scaled(image, *_cover(image, small)), small)
    blurred = cv2.GaussianBlur(filled.astype(np.float32), (0, 0), max(1.0, min(small) * 0.06))
    large = cv2.resize(blurred, size, None, 0, 0, cv2.INTER_CUBIC)
    return np.asarray(cv2.convertScaleAbs(large * np.float32(0.62)))


def _cover(image: Rgb, size: tuple[int, int]) -> tuple[float, float]:
    scale = max(size[0] / image.shape[1], size[1] / image.shape[0])
    return image.shape[1] * scale, image.shape[0] * scale


def _feathered(
    width: int, height: int, feather: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """1 inside, falling to 0 at those edges of the image that lie within the canvas."""

    def edge(count: int, canvas: int) -> NDArray[np.float32]:
        if count >= canvas:
            return np.ones(count, dtype=np.float32)
        inwards = np.minimum(np.arange(count) + 0.5, count - np.arange(count) - 0.5)
        t = np.clip(inwards / max(feather, 1.0), 0, 1)
        return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)

    return edge(height, size[1])[:, None] * edge(width, size[0])[None, :]


def _depth(canvas: Rgb, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """A guess that serves parallax: what is central, low in the picture and in focus is near."""
    height, width = canvas.shape[:2]
    small = (max(4, width // 16), max(4, height // 16))
    grey = cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY).astype(np.float32)
    sharp = np.abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=3))
    sharp = cv2.resize(sharp, small, None, 0, 0, cv2.INTER_AREA)
    sharp = cv2.GaussianBlur(sharp, (0, 0), max(1.0, min(small) * 0.08))
    sharp /= max(float(sharp.max()), 1e-6)
    x = (np.arange(small[0]) + 0.5) / small[0] * width
    y = (np.arange(small[1]) + 0.5) / small[1] * height
    dx = (x - box[0] - box[2] / 2) / (box[2] / 2)
    dy = (y - box[1] - box[3] * 0.6) / (box[3] / 2)
    centre = np.exp(-(dx[None, :] ** 2 * 1.4 + dy[:, None] ** 2 * 0.9))
    depth = 0.7 * centre + 0.3 * np.sqrt(sharp)
    depth = cv2.GaussianBlur(depth.astype(np.float32), (0, 0), max(1.0, min(small) * 0.06))
    return np.asarray(depth / max(float(depth.max()), 1e-6), dtype=np.float32)


def _glow(canvas: Rgb) -> NDArray[np.float32]:
    """What is brightest in this image, however dark it is, spread softly."""
    height, width = canvas.shape[:2]
    small = cv2.resize(
        canvas, (max(2, width // 4), max(2, height // 4)), None, 0, 0, cv2.INTER_AREA
    ).astype(np.float32)
    luma = small @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    low, high = np.percentile(luma, (80, 99.5))
    mask = np.clip((luma - low) / max(float(high - low), 12.0), 0, 1)[..., None]
    spread = max(0.8, min(small.shape[:2]) * 0.022)
    return np.asarray(cv2.GaussianBlur(small * mask, (0, 0), spread), dtype=np.float32)
