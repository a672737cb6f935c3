"""Past frames as few tokens: the nearest fine, the farthest coarse (FramePack).

Source: Wan-Video/Wan2.2, wan/modules/s2v/motioner.py, `FramePackMotioner` with drop mode "padd".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan22 import MOTION_SCALES

PACKED_FRAMES = sum(scale.frames for scale in MOTION_SCALES)
"""19 latent frames are packed: 1 + 2 + 16."""


class WanS2VFramePacker(nn.Module):
    """Motion latents to tokens, order 1x | 2x | 4x; `wan22.MOTION_SCALES` gives their places."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        kernels = [scale.kernel for scale in MOTION_SCALES]
        self.proj = nn.Conv3d(in_channels, dim, kernels[0], stride=kernels[0])
        self.proj_2x = nn.Conv3d(in_channels, dim, kernels[1], stride=kernels[1])
        self.proj_4x = nn.Conv3d(in_channels, dim, kernels[2], stride=kernels[2])

    def forward(self, motion_latents: Tensor) -> Tensor:
        """(B, C, Tm, h, w), any Tm >= 1, h and w >= 8  ->  (B, tokens, dim).

        The last 19 latent frames count; where there are fewer, zeros stand in front.
        """
        # 1. Exactly 19 frames, oldest first.
        latents = motion_latents[:, :, -PACKED_FRAMES:]
        missing = PACKED_FRAMES - latents.shape[2]
        latents = F.pad(latents, (0, 0, 0, 0, missing, 0))  # (B, C, 19, h, w)

        # 2. The farthest 16 frames in patches of (4, 8, 8), the next 2 in (2, 4, 4), the last
        #    in (1, 2, 2). A rest at the lower and the right edge is left out.
        near, middle, far = (scale.frames for scale in MOTION_SCALES)
        latents_4x, latents_2x, latents_1x = torch.split(latents, [far, middle, near], dim=2)
        packed = [self.proj(latents_1x), self.proj_2x(latents_2x), self.proj_4x(latents_4x)]
        return torch.cat([tokens.flatten(2).transpose(1, 2) for tokens in packed], dim=1)
