"""The causal audio encoder inside the transformer: wav2vec features to audio tokens.

Source: Wan-Video/Wan2.2, wan/modules/s2v/audio_utils.py (`CausalAudioEncoder`) and auxi_blocks.py
(`MotionEncoder_tc`). All of it computes in float32. The module names are the checkpoint's
(`casual_audio_encoder` is spelled so there).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan.model.layers import FP32Conv1d, FP32Linear

NORM_EPS = 1e-6
"""Epsilon of the three affine-free norms (auxi_blocks.py)."""


class CausalConv1d(nn.Module):
    """Kernel 3; sees the present and the past two, the first frame repeated in front."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = FP32Conv1d(in_channels, out_channels, kernel_size=3, stride=stride)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', ceil(T / stride))."""
        outputs: Tensor = self.conv(F.pad(hidden_states, (2, 0), mode="replicate"))
        return outputs


class WanS2VMotionEncoder(nn.Module):
    """Two ways through shared layers: `num_tokens` local tokens and one global token per latent."""

    def __init__(self, in_dim: int, dim: int, num_tokens: int) -> None:
        super().__init__()
        self.num_tokens = num_tokens
        self.conv1_local = CausalConv1d(in_dim, dim // 4 * num_tokens)
        self.conv1_global = CausalConv1d(in_dim, dim // 4)
        self.conv2 = CausalConv1d(dim // 4, dim // 2, stride=2)
        self.conv3 = CausalConv1d(dim // 2, dim, stride=2)
        self.final_linear = FP32Linear(dim, dim)
        self.padding_tokens = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, in_dim, N) -> local (B, T, num_tokens + 1, dim) and global (B, T, dim), float32.

        N pictures, T = ceil(N / 4) latents.
        """
        # 1. Local: the first convolution's channels are the tokens, which then go on as a batch.
        local = self.conv1_local(features)  # (B, n dim / 4, N)
        local = local.reshape(len(features) * self.num_tokens, -1, local.shape[-1])
        local = self._downsample(local)  # (B n, T, dim)
        local = torch.unflatten(local, 0, (-1, self.num_tokens)).transpose(1, 2)  # (B, T, n, dim)

        # 2. A learned token is added to each latent's tokens.
        padding = self.padding_tokens.float().expand(*local.shape[:2], -1, -1)  # (B, T, 1, dim)
        local = torch.cat([local, padding], dim=2)  # (B, T, n + 1, dim)

        # 3. Global: one token, with a last linear layer of its own.
        return local, self.final_linear(self._downsample(self.conv1_global(features)))

    def _downsample(self, hidden_states: Tensor) -> Tensor:
        """(B, dim / 4, N) -> (B, T, dim): norm and SiLU after each of three convolutions."""
        hidden_states = _norm_silu(hidden_states)
        hidden_states = _norm_silu(self.conv2(hidden_states))
        return _norm_silu(self.conv3(hidden_states)).transpose(1, 2)


class WanS2VAudioEncoder(nn.Module):
    """Mixes the hidden layers of wav2vec2 by learned weights and encodes the mixture."""

    def __init__(self, num_layers: int, audio_dim: int, dim: int, num_tokens: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((1, num_layers, 1, 1), 0.01))
        self.encoder = WanS2VMotionEncoder(audio_dim, dim, num_tokens)

    def forward(self, audio_features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, num_layers, audio_dim, N) -> what the motion encoder gives."""
        weights = F.silu(self.weights.float())
        mixed = (audio_features.float() * weights).sum(dim=1) / weights.sum()  # (B, audio_dim, N)
        tokens: tuple[Tensor, Tensor] = self.encoder(mixed)
        return tokens


def _norm_silu(hidden_states: Tensor) -> Tensor:
    """LayerNorm over the channels, without parameters, and SiLU: (B, C, T) -> (B, C, T)."""
    channels_last = hidden_states.transpose(1, 2)
    normed = F.layer_norm(channels_last, channels_last.shape[-1:], eps=NORM_EPS)
    return F.silu(normed).transpose(1, 2)
