"""The reference image, fitted to the frame with room to move, and what is drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.ops import Floats, blur, resize, resize_rgb, shrink, to_bytes
from soundreel.engines.preview.draw.depth import Box, guess_depth
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.engines.preview.look.palettes import Palette, format_colour, from_keys
from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.types import Rgb

MARGIN = 0.06
"""Canvas beyond the frame on each side, as a share of the smaller side: the camera drifts in it."""

FEATHER = 0.10
"""Border in which the image melts into its surround, as a share of the smaller side."""

ALIKE = 1.12
"""Shapes that differ by less than this factor are simply filled."""

FACE_HEIGHT = 0.38
"""Where a tall image is cut, more goes below than above: faces are in the upper part."""

GLOW_STEP = 4
"""Canvas pixels to one of `glow`."""

GREY = 0.03
"""Oklab chroma below which a picture has no colour."""


@dataclass(frozen=True, slots=True)
class ImageSource:
    """canvas: (H, W, 3), the frame and a margin all round. image_box: where the whole image lies on
    the canvas, in pixels; it may reach beyond. depth: 0 far to 1 near, DEPTH_STEP times smaller.
    anchor: what there is to see, a place on the canvas. faces: boxes on it, largest first.
    glow: highlights of the canvas, spread, sRGB 0..255, GLOW_STEP times smaller."""

    canvas: Rgb
    margin: int
    image_box: Box
    depth: Floats
    anchor: tuple[float, float]
    faces: tuple[Box, ...]
    glow: Floats
    palette: Palette


class FrameWarp(Protocol):
    """Something on the canvas that moves by itself, e.g. a mouth."""

    def apply(self, canvas: Rgb, index: int) -> Rgb:
        """The canvas, of three channels or four, as frame `index` needs it: the same array if
        nothing moves, else a copy. A pure function of the two, called from several threads."""
        ...

    def bend(self, where: Floats, index: int) -> Floats:
        """The positions (h, w, 2) on the canvas that frame `index` shows, moved smoothly."""
        ...


def make_source(
    image: Rgb, width: int, height: int, fit: str, faces: Sequence[Box] = ()
) -> ImageSource:
    """fit: "fill" cuts the image to the frame, "blur" shows the whole of it on a blurred surround.
    faces: boxes in pixels of the image, largest first."""
    margin = max(2, round(MARGIN * min(width, height)))
    size = (width + 2 * margin, height + 2 * margin)
    alike = (image.shape[1] / image.shape[0]) / (width / height)
    filled = fit == "fill" or 1 / ALIKE < alike < ALIKE
    canvas, box = _fill(image, size) if filled else _surround(image, size, margin)
    scale = box[2] / image.shape[1]
    placed = tuple(
        (box[0] + x * scale, box[1] + y * scale, w * scale, h * scale) for x, y, w, h in faces
    )
    depth = guess_depth(canvas, box, placed)
    return ImageSource(
        canvas, margin, box, depth.near, depth.anchor, placed, _glow(canvas), image_palette(image)
    )


def image_palette(image: Rgb) -> Palette:
    """Up to three colours that stand out: clusters of the image, the more colourful the better."""
    lab = to_oklab(_halved_to(image, 48).reshape(-1, 3) / 255.0)
    centres, sizes = _clusters(lab, 6)
    chroma = np.hypot(centres[:, 1], centres[:, 2])
    best = np.argsort(-(chroma * np.sqrt(sizes)), kind="stable")[:3]
    keys = centres[best]
    keys[:, 0] = np.clip(keys[:, 0], 0.5, 0.74)
    return from_keys([format_colour(from_oklab(key)) for key in keys])


def is_grey(image: Rgb) -> bool:
    """Whether no colour stands out anywhere."""
    lab = to_oklab(_halved_to(image, 48).reshape(-1, 3) / 255.0)
    return float(np.percentile(np.hypot(lab[:, 1], lab[:, 2]), 98)) < GREY


def _halved_to(image: Rgb, side: int) -> Rgb:
    return resize_rgb(image, (side, side))


def _clusters(
    points: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """k-means from a fixed start, spread along lightness and hue: the same on every run. Returns
    centres and shares."""
    hue = np.arctan2(points[:, 2], points[:, 1])
    order = np.lexsort((hue, np.round(points[:, 0] * 4)))
    centres = points[order[np.linspace(0, len(points) - 1, count).astype(int)]].copy()
    owner = np.zeros(len(points), dtype=int)
    for _ in range(12):
        owner = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        for k in range(count):
            if (owner == k).any():
                centres[k] = points[owner == k].mean(axis=0)
    return centres, np.bincount(owner, minlength=count) / len(points)


def _scaled(image: Rgb, scale: float) -> Rgb:
    width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return resize_rgb(image, (max(1, width), max(1, height)))


def _fill(image: Rgb, size: tuple[int, int]) -> tuple[Rgb, Box]:
    """The canvas covered, borders cut."""
    width, height = size
    image, cut = _cut_to_shape(image, width / height)
    scale = max(width / image.shape[1], height / image.shape[0])
    big = _scaled(image, scale)
    x, y = max(0, (big.shape[1] - width) // 2), max(0, (big.shape[0] - height) // 2)
    canvas = resize_rgb(big[y : y + height, x : x + width], size)
    left, top, full_width, full_height = (value * scale for value in cut)
    return np.ascontiguousarray(canvas), (-left - x, -top - y, full_width, full_height)


def _cut_to_shape(image: Rgb, shape: float) -> tuple[Rgb, Box]:
    """Cut before scaling, so that a very long image never becomes a huge one. Returns the part, and
    its offset and the whole's size."""
    height, width = image.shape[:2]
    keep_w = min(width, max(1, round(height * shape)))
    keep_h = min(height, max(1, round(width / shape)))
    x, y = (width - keep_w) // 2, round((height - keep_h) * FACE_HEIGHT)
    part = image[y : y + keep_h, x : x + keep_w]
    return part, (float(x), float(y), float(width), float(height))


def _surround(image: Rgb, size: tuple[int, int], margin: int) -> tuple[Rgb, Box]:
    """The whole image in the middle of the frame; beyond its edges it goes on mirrored, ever softer
    and darker, so that no border shows."""
    width, height = size
    inner = (width - 2 * margin, height - 2 * margin)
    front = _scaled(image, min(inner[0] / image.shape[1], inner[1] / image.shape[0]))
    x, y = (width - front.shape[1]) // 2, (height - front.shape[0]) // 2
    box = (float(x), float(y), float(front.shape[1]), float(front.shape[0]))
    canvas = _soft_surround(front, box, size)
    mask = _feathered((front.shape[1], front.shape[0]), size)
    area = canvas[y : y + front.shape[0], x : x + front.shape[1]]
    area += (front - area) * mask[..., None]
    canvas += np.random.default_rng(8).random((height, width, 1), np.float32)  # against banding
    return to_bytes(np.minimum(canvas, 255)), box


def _soft_surround(front: Rgb, box: Box, size: tuple[int, int]) -> Floats:
    """The image mirrored outwards over the whole canvas, blurred, and darker the farther out."""
    step = max(1, min(size) // 96)
    small = (max(2, size[0] // step), max(2, size[1] // step))
    little = shrink(
        front.astype(np.float32), (max(1, round(box[2] / step)), max(1, round(box[3] / step)))
    )
    left, top = (small[0] - little.shape[1]) // 2, (small[1] - little.shape[0]) // 2
    soft = blur(mirrored(little, small), min(small) * 0.05)
    little_box = (float(left), float(top), float(little.shape[1]), float(little.shape[0]))
    shade = 1 - 0.5 * smoothstep(_beyond(little_box, small) * 1.6)
    soft *= shade[..., None].astype(np.float32)
    return np.maximum(resize(soft, size, smooth=True), 0)


def mirrored(little: Floats, size: tuple[int, int]) -> Floats:
    """A picture in the middle of a size, going on mirrored beyond its edges."""
    left, top = (size[0] - little.shape[1]) // 2, (size[1] - little.shape[0]) // 2
    xs = _reflect(np.arange(size[0]) - left, little.shape[1])
    ys = _reflect(np.arange(size[1]) - top, little.shape[0])
    return np.ascontiguousarray(little[ys][:, xs])


def _reflect(index: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    folded = np.mod(index, 2 * count)
    return np.asarray(np.minimum(folded, 2 * count - 1 - folded))


def _beyond(box: Box, size: tuple[int, int]) -> NDArray[np.float64]:
    """Distance from the image, as a share of the smaller side; 0 on it."""
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    dx = np.maximum(np.maximum(box[0] - x, x - box[0] - box[2]), 0)
    dy = np.maximum(np.maximum(box[1] - y, y - box[1] - box[3]), 0)
    return np.asarray(np.hypot(dx[None, :], dy[:, None]) / min(size))


def _feathered(front: tuple[int, int], size: tuple[int, int]) -> Floats:
    """1 inside the image, 0 at its edges; wider where there is more surround to melt into."""
    columns, rows = (
        _edge(count, min(FEATHER * min(size), 0.3 * (canvas - count)))
        for count, canvas in zip(front, size, strict=True)
    )
    return np.asarray(rows[:, None] * columns[None, :], dtype=np.float32)


def _edge(count: int, feather: float) -> NDArray[np.floating]:
    places = np.arange(count) + 0.5
    return smoothstep(np.minimum(places, count - places) / min(max(feather, 1.0), count / 3 + 1))


def _glow(canvas: Rgb) -> Floats:
    """What is brightest in this image, however dark it is, spread softly."""
    height, width = canvas.shape[:2]
    size = (max(2, width // GLOW_STEP), max(2, height // GLOW_STEP))
    small = shrink(canvas.astype(np.float32), size)
    luma = small @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    low, high = np.percentile(luma, (82, 99.5))
    mask = np.clip((luma - low) / max(float(high - low), 12.0), 0, 1)[..., None]
    return blur((small * mask).astype(np.float32), min(size) * 0.03)
