"""RIFE 4.26 as published: motion and mask at the time between, coarse to fine, in five blocks.

Each block sees both pictures and their features as the motion so far moves them, the mask, and what
the block before it passes on; it gives a correction of the motion and a mask of its own.

Source: Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV
2022 (arXiv 2011.06294), and its public code (hzwer/Practical-RIFE). Names of the weights are its.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALES = (16, 8, 4, 2, 1)
"""By how much the picture is smaller in each block."""

MULTIPLE = 64
"""Sides that every block can halve."""

_FEATURES, _RESIDUALS, _PASSED = 16, 8, 8
_SLOPE = 0.2
"""Of the leaky rectifier for negative numbers."""


class Rife(nn.Module):
    """Two pictures to one between them. widths: of each block; features: of each picture."""

    def __init__(self, widths: tuple[int, ...], features: int) -> None:
        super().__init__()
        self.encode = _Head(features)
        seen = [3 + 3 + 2 * features + 1, *[3 + 3 + 2 * features + 1 + 1 + _PASSED + 4] * 4]
        self.blocks = nn.ModuleList(map(_Block, seen, widths))

    def forward(self, first: Tensor, second: Tensor, time: float) -> Tensor:
        """(B, 3, H, W) each, 0..1, of any size of 64 or more -> the picture at `time`, 0 to 1."""
        height, width = first.shape[-2:]
        more = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        first, second = (F.pad(each, more, mode="reflect") for each in (first, second))
        return self._between(first, second, time)[..., :height, :width]

    def _between(self, first: Tensor, second: Tensor, time: float) -> Tensor:
        features = self.encode(first), self.encode(second)
        at = torch.full_like(first[:, :1], time)
        motion, mask, passed = self.blocks[0](
            torch.cat([first, second, *features, at], 1), None, 16
        )
        for block, scale in zip(list(self.blocks)[1:], SCALES[1:], strict=True):
            moved = [*_both(first, second, motion), *_both(*features, motion)]
            seen = torch.cat([*moved, at, mask, passed], dim=1)
            correction, mask, passed = block(seen, motion, scale)
            motion = motion + correction
        from_first, from_second = _both(first, second, motion)
        return torch.lerp(from_second, from_first, torch.sigmoid(mask))


def rife_of(state: Mapping[str, Tensor]) -> Rife:
    """The network of these weights, without them. Raises KeyError where they are another's."""
    widths = tuple(state[f"blocks.{i}.conv0.1.0.weight"].shape[0] for i in range(len(SCALES)))
    return Rife(widths, state["encode.cnn3.weight"].shape[1])


def _both(first: Tensor, second: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Each as its own half of the motion (B, 4, H, W) moves it."""
    return _moved(first, motion[:, :2]), _moved(second, motion[:, 2:])


def _moved(picture: Tensor, motion: Tensor) -> Tensor:
    """The picture as its pixels at (x + dx, y + dy) show it, bilinear; beyond the edge the edge."""
    height, width = picture.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=picture.device)[:, None]
    columns = torch.linspace(-1, 1, width, device=picture.device)
    x = columns + motion[:, 0] / ((width - 1) / 2)
    y = rows + motion[:, 1] / ((height - 1) / 2)
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)


class _Head(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, _FEATURES, 3, stride=2, padding=1)
        self.cnn1 = nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1)
        self.cnn2 = nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1)
        self.cnn3 = nn.ConvTranspose2d(_FEATURES, features, 4, stride=2, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        for convolve in (self.cnn0, self.cnn1, self.cnn2):
            picture = F.leaky_relu(convolve(picture), _SLOPE)
        return cast(Tensor, self.cnn3(picture))


class _Block(nn.Module):
    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halving(seen, width // 2), _halving(width // 2, width))
        self.convblock = nn.Sequential(*(_Residual(width) for _ in range(_RESIDUALS)))
        out = 4 * (4 + 1 + _PASSED)
        self.lastconv = nn.Sequential(
            nn.ConvTranspose2d(width, out, 4, stride=2, padding=1), nn.PixelShuffle(2)
        )

    def forward(
        self, seen: Tensor, motion: Tensor | None, scale: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Correction of the motion (B, 4, H, W), mask (B, 1, H, W), what is passed on."""
        small = F.interpolate(seen, scale_factor=1 / scale, mode="bilinear")
        if motion is not None:
            slower = F.interpolate(motion, scale_factor=1 / scale, mode="bilinear") / scale
            small = torch.cat([small, slower], dim=1)
        made = self.lastconv(self.convblock(self.conv0(small)))
        whole = F.interpolate(made, scale_factor=scale, mode="bilinear")
        return whole[:, :4] * scale, whole[:, 4:5], whole[:, 5:]


def _halving(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(_SLOPE))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.conv(x) * self.beta + x, _SLOPE)
