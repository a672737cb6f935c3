"""Pictures as the VAE takes them (the reference image, the pose video picture by picture), and as
they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan22 import PICTURE_RATE
from soundreel.types import Rgb

BLANK = -1.0
"""What a pose picture is where the pose video has ended: black."""


def reference_pixels(picture: Rgb, width: int, height: int, *, official: bool = False) -> Tensor:
    """The reference image as (1, 3, 1, H, W) in -1..1: scaled to cover, centre cut out.

    official: scale the shorter side to the target's shorter side, as Wan's own code does, which
        leaves black strips where the image is squarer than the target.
    """
    image = Image.fromarray(picture)
    size = scaled_size(image.width, image.height, width, height, official=official)
    resized = np.array(image.resize(size, Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(resized).permute(2, 0, 1).float() / 255
    return (_centre(pixels, width, height, fill=0.0) * 2 - 1)[None, :, None]


def to_rgb(pictures: Tensor) -> list[Rgb]:
    """Pictures (1, 3, n, H, W) in -1..1 as n 8-bit ones, rounded to nearest."""
    levels = ((pictures[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(np.ascontiguousarray(levels.permute(1, 2, 3, 0).cpu().numpy()))


def pose_pixels(pictures: Sequence[Rgb], width: int, height: int, *, official: bool) -> Tensor:
    """Pose pictures as (1, 3, n, H, W) in -1..1, scaled and cut like the reference image."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255.0 * 2 - 1.0
    tall, wide = pixels.shape[2:]
    across, down = scaled_size(wide, tall, width, height, official=official)
    pixels = F.interpolate(
        pixels, size=(down, across), mode="bilinear", align_corners=False, antialias=True
    )
    return _centre(pixels, width, height, fill=0.0).permute(1, 0, 2, 3)[None]


def scaled_size(
    width: int, height: int, target_width: int, target_height: int, *, official: bool
) -> tuple[int, int]:
    """Width and height of a picture scaled to cover the target (`official`: see above)."""
    short, long = sorted((width, height))
    side = min(target_width, target_height)
    if official:
        other = int(side * long / short)  # the expression of torchvision's Resize
        return (side, other) if width <= height else (other, side)
    scale = max(Fraction(target_width, width), Fraction(target_height, height))
    return max(target_width, round(width * scale)), max(target_height, round(height * scale))


def _centre(pixels: Tensor, width: int, height: int, fill: float) -> Tensor:
    """The centre of (..., h, w), filled up where it is too small, as torchvision's CenterCrop."""
    down, across = max(height - pixels.shape[-2], 0), max(width - pixels.shape[-1], 0)
    if down or across:
        edges = (across // 2, (across + 1) // 2, down // 2, (down + 1) // 2)
        pixels = F.pad(pixels, edges, value=fill)
    top = round((pixels.shape[-2] - height) / 2)
    left = round((pixels.shape[-1] - width) / 2)
    return pixels[..., top : top + height, left : left + width]


def open_pose_video(
    path: Path, width: int, height: int, fps: Fraction, *, official: bool = False
) -> PoseVideo:
    """The pose video in a file, at `fps`. Raises InputError if it is none."""
    from soundreel.video.reader import probe_video, read_frames

    return PoseVideo(
        lambda: read_frames(path), probe_video(path).fps, width, height, fps, official=official
    )


class PoseVideo:
    """Pose pictures, `fps` a second, read in one pass from a video of any rate.

    read: the video's pictures from its beginning, `rate` a second.
    official: take every max(1, round(rate / fps))-th picture, as Wan's own code does; else the
        picture nearest in time, which keeps a pose video of any rate in step with the sound.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[Rgb]],
        rate: Fraction,
        width: int,
        height: int,
        fps: Fraction = Fraction(PICTURE_RATE),
        *,
        official: bool = False,
    ) -> None:
        self._read, self._stride = read, rate / fps
        self._size, self._official = (width, height), official
        self._stream: Iterator[Rgb] = iter(())
        self._position = -1
        self._held: Rgb | None = None

    def pixels(self, first: int, count: int) -> Tensor:
        """(1, 3, count, H, W) in -1..1 from picture `first` on, which may be negative: the pose
        before the video begins is its first one. -1 after its end."""
        width, height = self._size
        found = [self._picture(self._index(max(at, 0))) for at in range(first, first + count)]
        real = [picture for picture in found if picture is not None]
        blank = torch.full((1, 3, count - len(real), height, width), BLANK)
        if not real:
            return blank
        return torch.cat([pose_pixels(real, width, height, official=self._official), blank], dim=2)

    def _index(self, at: int) -> int:
        """Picture of the file for picture `at` at `fps`; halves to even, both ways."""
        if self._official:
            return at * max(1, round(self._stride))
        return round(at * self._stride)

    def _picture(self, index: int) -> Rgb | None:
        """Picture `index` of the file, None after its end; going back starts the file again."""
        if index < self._position or self._position < 0:
            self._stream, self._position = self._read(), -1
        while self._position < index:
            self._held = next(self._stream, None)
            self._position += 1
        return self._held
