"""The transformer's block and its head.

Source: Wan-Video/Wan2.2, wan/modules/model.py (`WanAttentionBlock`, `Head`) and model_s2v.py
(`WanS2VAttentionBlock`, `Head_S2V`). The residual stream and the modulation are float32, matrix
products run in the dtype of the text tokens. Parameters are named as in the checkpoint.
"""

from __future__ import annotations

import torch
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import RotaryTable, WanS2VAttention
from soundreel.engines.wan.model.audio_injector import AudioTokens, WanS2VAudioInjector
from soundreel.engines.wan.model.layers import FP32Linear


class WanS2VTransformerBlock(nn.Module):
    """Self-attention, cross-attention to the text, feed-forward, and in some blocks the sound."""

    def __init__(
        self, dim: int, ffn_dim: int, heads: int, eps: float, *, inject_audio: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.self_attn = WanS2VAttention(dim, heads, eps)
        self.norm3 = FP32LayerNorm(dim, eps)
        self.cross_attn = WanS2VAttention(dim, heads, eps)
        self.norm2 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.ffn = nn.Sequential(
            nn.Linear(dim, ffn_dim), nn.GELU(approximate="tanh"), nn.Linear(ffn_dim, dim)
        )
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)
        self.audio_injector = WanS2VAudioInjector(dim, heads, eps) if inject_audio else None

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: RotaryTable,
        audio: AudioTokens,
        num_noisy_tokens: int,
    ) -> Tensor:
        """(B, S, dim) float32 -> (B, S, dim) float32.

        hidden_states: the noisy tokens first, then those of reference and motion.
        encoder_hidden_states: text tokens (B, L, dim).
        temb: (B, 2, 6, dim) float32: of the noisy tokens, and of all others (time 0).
        """
        dtype = encoder_hidden_states.dtype
        lengths = [num_noisy_tokens, hidden_states.shape[1] - num_noisy_tokens]

        # 0. Six modulations, for the noisy and for the other tokens: (B, 2, dim) each.
        modulation = self.modulation.float() + temb  # (B, 2, 6, dim)
        shift_msa, scale_msa, gate_msa, shift_ffn, scale_ffn, gate_ffn = modulation.unbind(2)

        # 1. Self-attention over all tokens.
        normed = _modulate(self.norm1(hidden_states), scale_msa, shift_msa, lengths, dtype)
        attn_output = self.self_attn(normed, rotary_emb=rotary_emb)
        hidden_states = _add_gated(hidden_states, attn_output, gate_msa, lengths)

        # 2. Cross-attention to the text, without a gate.
        normed = self.norm3(hidden_states).to(dtype)
        hidden_states = hidden_states + self.cross_attn(normed, encoder_hidden_states)

        # 3. Feed-forward.
        normed = _modulate(self.norm2(hidden_states), scale_ffn, shift_ffn, lengths, dtype)
        hidden_states = _add_gated(hidden_states, self.ffn(normed), gate_ffn, lengths)

        # 4. Sound, for the noisy tokens only.
        if self.audio_injector is None:
            return hidden_states
        noisy, others = torch.split(hidden_states, lengths, dim=1)
        noisy = noisy + self.audio_injector(noisy, audio, dtype)
        return torch.cat([noisy, others], dim=1)


class WanS2VHead(nn.Module):
    """Last norm, modulation by the time embedding, projection to patches. All float32."""

    def __init__(self, dim: int, out_dim: int, eps: float) -> None:
        super().__init__()
        self.norm = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.head = FP32Linear(dim, out_dim)
        self.modulation = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)

    def forward(self, hidden_states: Tensor, temb: Tensor) -> Tensor:
        """Noisy tokens (B, n, dim), time embedding (B, dim) -> (B, n, out_dim) float32."""
        shift, scale = (self.modulation.float() + temb.unsqueeze(1)).chunk(2, dim=1)  # (B, 1, dim)
        output: Tensor = self.head(self.norm(hidden_states) * (1 + scale) + shift)
        return output


def _modulate(
    normed: Tensor, scale: Tensor, shift: Tensor, lengths: list[int], dtype: torch.dtype
) -> Tensor:
    """normed (1 + scale) + shift in `dtype`; scale and shift (B, 2, dim) are of two spans."""
    spans = torch.split(normed, lengths, dim=1)
    parts = [
        torch.addcmul(shift[:, i : i + 1], span, 1 + scale[:, i : i + 1]).to(dtype)
        for i, span in enumerate(spans)
    ]
    return torch.cat(parts, dim=1)


def _add_gated(hidden_states: Tensor, output: Tensor, gate: Tensor, lengths: list[int]) -> Tensor:
    """hidden_states + output * gate, with gate (B, 2, dim) of two spans of tokens."""
    spans = zip(
        torch.split(hidden_states, lengths, dim=1),
        torch.split(output.float(), lengths, dim=1),
        strict=True,
    )
    parts = [
        torch.addcmul(hidden, span, gate[:, i : i + 1]) for i, (hidden, span) in enumerate(spans)
    ]
    return torch.cat(parts, dim=1)
