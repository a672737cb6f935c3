"""Audio injection: after some blocks each latent frame looks at its own audio tokens.

Source: Wan-Video/Wan2.2, wan/modules/s2v/audio_utils.py (`AudioInjector_WAN`) and
`after_transformer_block` of model_s2v.py, with adain mode "attn_norm".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from diffusers.models.normalization import AdaLayerNorm
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import WanS2VAttention


class AudioTokens(NamedTuple):
    """What the audio encoder gives for the chunk's T latent frames.

    local_tokens: (B, T, num_audio_tokens + 1, dim) float32.    global_token: (B, T, dim) float32.
    """

    local_tokens: Tensor
    global_token: Tensor


class WanS2VAudioInjector(nn.Module):
    """Adaptive norm by the global token, then cross-attention to the local ones."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        # Epsilon is AdaLayerNorm's own 1e-5, as in the official code.
        self.adain = AdaLayerNorm(dim, output_dim=2 * dim, chunk_dim=1)
        self.attn = WanS2VAttention(dim, heads, eps)
        self.strength = 1.0
        """Factor of what is added: 1 is as trained, 0 is the model without injectors."""

    def forward(self, hidden_states: Tensor, audio: AudioTokens, dtype: torch.dtype) -> Tensor:
        """Noisy tokens (B, T n, dim), float32 -> what is added to them, same shape.

        dtype: that of the weights' matrix products.
        """
        # 1. Frames become the batch: n tokens look at their own frame's sound only.
        batch, num_frames = audio.global_token.shape[:2]
        frames = torch.unflatten(hidden_states, 1, (num_frames, -1)).flatten(0, 1)  # (B T, n, dim)
        local_tokens = audio.local_tokens.flatten(0, 1).to(dtype)  # (B T, tokens, dim)
        global_token = audio.global_token.flatten(0, 1).to(dtype)  # (B T, dim)

        # 2. Adaptive norm (shift first, then scale), attention.
        frames = self.adain(frames, temb=global_token)
        residual = self.attn(frames.to(dtype), local_tokens)
        if self.strength != 1:
            residual = residual * self.strength
        return torch.unflatten(residual, 0, (batch, num_frames)).flatten(1, 2)  # (B, T n, dim)
