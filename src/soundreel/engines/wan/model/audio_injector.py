"""Audio injection: after some blocks each latent frame looks at its own audio tokens.

Source: Wan-Video/Wan2.2, wan/modules/s2v/audio_utils.py (`AudioInjector_WAN`) and
`after_transformer_block` of model_s2v.py, with adain mode "attn_norm".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from diffusers.models.normalization import AdaLayerNorm
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import WanS2VAttention


class AudioTokens(NamedTuple):
    """What the audio encoder gives for the chunk's T latent frames, of one speaker.

    local_tokens: (B, T, num_audio_tokens + 1, dim) float32.    global_token: (B, T, dim) float32.
    mask: (1 or T, n, 1) float32, the share of what they add that each of a frame's n tokens gets;
        None is all of it.
    """

    local_tokens: Tensor
    global_token: Tensor
    mask: Tensor | None = None

    def expand(self, batch: int) -> AudioTokens:
        """A batch of 1 repeated."""
        local_tokens = self.local_tokens.expand(batch, -1, -1, -1)
        return AudioTokens(local_tokens, self.global_token.expand(batch, -1, -1), self.mask)

    def frames(self, piece: slice) -> AudioTokens:
        """Those of some of the latent frames."""
        mask = self.mask
        if mask is not None and len(mask) > 1:
            mask = mask[piece]
        return AudioTokens(self.local_tokens[:, piece], self.global_token[:, piece], mask)


class WanS2VAudioInjector(nn.Module):
    """Adaptive norm by the global token, then cross-attention to the local ones.

    Of several speakers each adds its share, as Alibaba-Quark/LiveAvatar does for these weights: the
    sum of mask * attention(norm(x)). All of them see the same x.
    """

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        # Epsilon is AdaLayerNorm's own 1e-5, as in the official code.
        self.adain = AdaLayerNorm(dim, output_dim=2 * dim, chunk_dim=1)
        self.attn = WanS2VAttention(dim, heads, eps)
        self.strength = 1.0
        """Factor of what is added: 1 is as trained, 0 is the model without injectors."""

    def forward(
        self, hidden_states: Tensor, speakers: Sequence[AudioTokens], dtype: torch.dtype
    ) -> Tensor:
        """Noisy tokens (B, T n, dim), float32 -> what is added to them, same shape.

        dtype: that of the weights' matrix products.
        """
        # 1. Frames become the batch: n tokens look at their own frame's sound only.
        num_frames = speakers[0].global_token.shape[1]
        frames = torch.unflatten(hidden_states, 1, (num_frames, -1)).flatten(0, 1)  # (B T, n, dim)

        # 2. What each speaker adds.
        first, *others = speakers
        residual = self._residual(frames, first, dtype)  # (B, T, n, dim)
        for speaker in others:
            residual = residual + self._residual(frames, speaker, dtype)
        if self.strength != 1:
            residual = residual * self.strength
        return residual.flatten(1, 2)  # (B, T n, dim)

    def _residual(self, frames: Tensor, audio: AudioTokens, dtype: torch.dtype) -> Tensor:
        """(B T, n, dim) -> (B, T, n, dim), float32 where there is a mask."""
        local_tokens = audio.local_tokens.flatten(0, 1).to(dtype)  # (B T, tokens, dim)
        global_token = audio.global_token.flatten(0, 1).to(dtype)  # (B T, dim)

        # Adaptive norm (shift first, then scale), attention.
        normed = self.adain(frames, temb=global_token)
        residual = self.attn(normed.to(dtype), local_tokens)
        residual = torch.unflatten(residual, 0, audio.global_token.shape[:2])
        return residual if audio.mask is None else residual * audio.mask
