"""FILM as published: features at every scale, motion from coarse to fine, both pictures fused.

    features    of each picture on a pyramid of 7 scales, by convolutions that the scales share
    motion      from each picture to the other, estimated at the coarsest scale and refined
    fusion      both pictures and their features, moved to the time between, on 5 scales

Source: Reda et al., "FILM: Frame Interpolation for Large Motion", ECCV 2022 (arXiv 2202.04901), and
its public code (google-research/frame-interpolation). Names of the weights are those of the port
to torch that is in the wild.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES, FUSED_SCALES = 7, 5
FEATURE_SCALES = 4
"""Scales that one convolution tree looks at, from where it begins."""

WIDTHS = (64, 128, 256, 512)
"""Features of the tree's scales."""

MOTION_WIDTHS = (32, 64, 128, 256)
"""Of the three finest scales, and of all coarser ones, which share one estimator."""

FUSION_WIDTHS = (512, 256, 128, 64)
SLOPE = 0.2
"""Of the leaky rectifier for negative numbers."""

SMALLEST = 2 ** (SCALES - 1)
"""Pixels of the shorter side, so that every scale has one."""

Pyramid = list[Tensor]
"""(B, C, H, W) from fine to coarse, each half the size of the one before."""


class Film(nn.Module):
    """Two pictures to one between them."""

    def __init__(self) -> None:
        super().__init__()
        self.extract = _Features()
        self.predict_flow = _Motion()
        self.fuse = _Fusion()

    def forward(self, first: Tensor, second: Tensor, time: float) -> Tensor:
        """(B, 3, H, W) each, 0..1, sides of at least SMALLEST -> the picture at `time`, 0 (first)
        to 1 (second), not clamped."""
        pictures = [image_pyramid(each) for each in (first, second)]
        features = [self.extract(pyramid) for pyramid in pictures]
        towards_second = summed(self.predict_flow(features[0], features[1]))
        towards_first = summed(self.predict_flow(features[1], features[0]))
        aligned = []
        for scale in range(FUSED_SCALES):
            from_first = towards_first[scale] * time
            from_second = towards_second[scale] * (1 - time)
            both = [torch.cat([pictures[k][scale], features[k][scale]], dim=1) for k in (0, 1)]
            moved = [moved_by(both[0], from_first), moved_by(both[1], from_second)]
            aligned.append(torch.cat([*moved, from_first, from_second], dim=1))
        return cast(Tensor, self.fuse(aligned))


def image_pyramid(picture: Tensor) -> Pyramid:
    """The picture and its halves, each the mean of four pixels."""
    pyramid = [picture]
    while len(pyramid) < SCALES:
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid


def moved_by(picture: Tensor, motion: Tensor) -> Tensor:
    """The picture as its pixels at (x + dx, y + dy) show it, bilinear; beyond the edge the edge.

    motion: (B, 2, H, W), dx and dy in pixels.
    """
    height, width = picture.shape[-2:]
    rows = torch.arange(height, device=picture.device, dtype=motion.dtype)
    columns = torch.arange(width, device=picture.device, dtype=motion.dtype)
    x, y = columns + motion[:, 0], rows[:, None] + motion[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def summed(refinements: Pyramid) -> Pyramid:
    """What each scale adds to the motion of the next coarser one -> the motion itself."""
    motion = [refinements[-1]]
    for refinement in reversed(refinements[:-1]):
        motion.insert(0, refinement + finer(motion[0], refinement))
    return motion


def finer(motion: Tensor, like: Tensor) -> Tensor:
    """Motion in the pixels of a picture twice as large."""
    size = like.shape[-2:]
    return F.interpolate(2 * motion, size=size, mode="bilinear", align_corners=False)


class _Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.extract_sublevels = _Tree()

    def forward(self, pictures: Pyramid) -> Pyramid:
        trees = [self.extract_sublevels(each, SCALES - n) for n, each in enumerate(pictures)]
        joined = []
        for scale in range(SCALES):
            depths = range(min(scale + 1, FEATURE_SCALES))
            joined.append(torch.cat([trees[scale - depth][depth] for depth in depths], dim=1))
        return joined


class _Tree(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(_Conv(before, width, 3), _Conv(width, width, 3))
            for before, width in pairwise((3, *WIDTHS))
        )

    def forward(self, picture: Tensor, scales: int) -> Pyramid:
        found = []
        for depth, convolve in enumerate(self.convs[:scales]):
            picture = convolve(picture if depth == 0 else F.avg_pool2d(picture, 2))
            found.append(picture)
        return found


class _Motion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        channels = [sum(WIDTHS[: scale + 1]) for scale in range(FEATURE_SCALES)]
        estimators = [_Estimator(2 * n, w) for n, w in zip(channels, MOTION_WIDTHS, strict=True)]
        self._predictor = estimators[-1]
        self._predictors = nn.ModuleList(reversed(estimators[:-1]))  # coarse to fine

    def forward(self, here: Pyramid, there: Pyramid) -> Pyramid:
        """Refinements of the motion from `here` to `there`, fine to coarse."""
        motion = self._predictor(torch.cat([here[-1], there[-1]], dim=1))
        found = [motion]
        for scale in range(SCALES - 2, -1, -1):
            motion = finer(motion, here[scale])
            moved = moved_by(there[scale], motion)
            refinement = self._estimator(scale)(torch.cat([here[scale], moved], dim=1))
            found.insert(0, refinement)
            motion = motion + refinement
        return found

    def _estimator(self, scale: int) -> nn.Module:
        special = len(self._predictors)
        return self._predictors[special - 1 - scale] if scale < special else self._predictor


class _Estimator(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        layers = [_Conv(channels, width, 3), *(_Conv(width, width, 3) for _ in range(2))]
        layers += [_Conv(width, width // 2, 1), _Conv(width // 2, 2, 1, rectified=False)]
        self._convs = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self._convs(features))


class _Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        features = [sum(WIDTHS[: min(n, FEATURE_SCALES - 1) + 1]) for n in range(FUSED_SCALES)]
        aligned = [2 * (3 + count) + 4 for count in features]
        self.convs = nn.ModuleList(
            nn.ModuleList(
                (
                    _Conv(before, width, 2, rectified=False),
                    _Conv(aligned[scale] + width, width, 3),
                    _Conv(width, width, 3),
                )
            )
            for scale, (before, width) in zip(
                range(FUSED_SCALES - 2, -1, -1),
                pairwise((aligned[-1], *FUSION_WIDTHS)),
                strict=True,
            )
        )
        self.output_conv = nn.Conv2d(FUSION_WIDTHS[-1], 3, 1)

    def forward(self, aligned: Sequence[Tensor]) -> Tensor:
        made = aligned[-1]
        for level, finer_scale in zip(self.convs, reversed(aligned[:-1]), strict=True):
            larger, first, second = cast(nn.ModuleList, level)
            size = finer_scale.shape[-2:]
            made = larger(F.interpolate(made, size=size, mode="nearest"))
            made = second(first(torch.cat([finer_scale, made], dim=1)))
        return cast(Tensor, self.output_conv(made))


class _Conv(nn.Module):
    """A convolution that keeps the size, and a leaky rectifier."""

    def __init__(self, before: int, after: int, size: int, *, rectified: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, padding=(size - 1) // 2)
        self.rectified = rectified

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.kernel_size[0] % 2 == 0:  # looks to the right and below
            x = F.pad(x, (0, 1, 0, 1))
        made: Tensor = self.conv(x)
        return F.leaky_relu(made, SLOPE) if self.rectified else made
