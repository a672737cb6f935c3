"""The transformer's block and its head.

Source: Wan-Video/Wan2.2, wan/modules/model.py (`WanAttentionBlock`, `Head`) and model_s2v.py
(`WanS2VAttentionBlock`, `Head_S2V`). The residual stream and the modulation are float32, matrix
products run in the dtype of the text tokens. Parameters are named as in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor, nn

from soundreel.engines.wan.model.attention import WanS2VAttention
from soundreel.engines.wan.model.audio_injector import AudioTokens, WanS2VAudioInjector
from soundreel.engines.wan.model.layers import FP32Linear, Linear, ready
from soundreel.engines.wan.model.pieces import (
    PIECE,
    add,
    add_gated,
    joined,
    modulated,
    pieces_of,
    spans_of,
)

INJECTED = 2 * PIECE
"""Noisy tokens that sound is injected into at once. Its layers are restored anew each time."""


class WanS2VTransformerBlock(nn.Module):
    """Self-attention, cross-attention to the text, feed-forward, and in some blocks the sound.

    in_slices: self-attention takes the queries of one piece after the other and writes over what
    comes in. Both together save two thirds of what self-attention holds beside its input.
    """

    in_slices = False

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
            Linear(dim, ffn_dim), nn.GELU(approximate="tanh"), Linear(ffn_dim, dim)
        )
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)
        self.audio_injector = WanS2VAudioInjector(dim, heads, eps) if inject_audio else None

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        rotary_emb: Tensor,
        audio: Sequence[AudioTokens],
        num_noisy_tokens: int,
    ) -> Tensor:
        """(B, S, dim) float32 -> (B, S, dim) float32. What comes in is not written over, unless
        `in_slices`.

        hidden_states: the noisy tokens first, then those of reference and motion.
        encoder_hidden_states: text tokens (B, L, dim).
        temb: (B, 2, 6, dim) float32: of the noisy tokens, and of all others (time 0).
        rotary_emb: of all tokens, see `attention.rotations`.
        audio: of each speaker.
        """
        dtype = encoder_hidden_states.dtype

        # 0. Six modulations, for the noisy and for the other tokens: (B, 2, dim) each.
        modulation = self.modulation.float() + temb  # (B, 2, 6, dim)
        shift_msa, scale_msa, gate_msa, shift_ffn, scale_ffn, gate_ffn = modulation.unbind(2)

        # 1. Self-attention over all tokens.
        hidden_states = self._attended(
            hidden_states, shift_msa, scale_msa, gate_msa, rotary_emb, num_noisy_tokens, dtype
        )

        # 2. Cross-attention to the text, without a gate.
        look = self.cross_attn.toward(encoder_hidden_states)
        for piece in pieces_of(hidden_states.shape[1]):
            normed = self.norm3(hidden_states[:, piece]).to(dtype)
            hidden_states = add(hidden_states, piece, look(normed))
        del look

        # 3. Feed-forward.
        ffn = ready(self.ffn, dtype)
        for piece in pieces_of(hidden_states.shape[1]):
            spans = spans_of(piece, num_noisy_tokens)
            normed = self.norm2(hidden_states[:, piece])
            normed = modulated(normed, shift_ffn, scale_ffn, spans, dtype)
            hidden_states = add_gated(hidden_states, piece, ffn(normed), gate_ffn, spans)
        del ffn

        # 4. Sound, for the noisy tokens only.
        if self.audio_injector is not None and self.audio_injector.strength:
            for piece, part in _frames(num_noisy_tokens, audio):
                residual = self.audio_injector(hidden_states[:, piece], part, dtype)
                hidden_states = add(hidden_states, piece, residual)
        return hidden_states

    def _attended(
        self,
        hidden_states: Tensor,
        shift: Tensor,
        scale: Tensor,
        gate: Tensor,
        rotary_emb: Tensor,
        num_noisy_tokens: int,
        dtype: torch.dtype,
    ) -> Tensor:
        """The tokens after the gated self-attention, in a tensor of its own unless `in_slices`."""
        pieces = pieces_of(hidden_states.shape[1])

        def normed(piece: slice) -> Tensor:
            spans = spans_of(piece, num_noisy_tokens)
            return modulated(self.norm1(hidden_states[:, piece]), shift, scale, spans, dtype)

        outputs: Iterator[Tensor]
        if self.in_slices:
            outputs = self.self_attn.among_slices(normed, pieces, rotary_emb, dtype)
            result = hidden_states
        else:
            attended = self.self_attn.among(normed, pieces, rotary_emb, dtype)
            outputs = (attended[:, piece] for piece in pieces)
            result = torch.empty_like(hidden_states)
        project = ready(self.self_attn.o, dtype)
        for piece in pieces:
            spans = spans_of(piece, num_noisy_tokens)
            output = project(next(outputs))
            result = add_gated(hidden_states, piece, output, gate, spans, into=result)
            del output
        return result


def _frames(
    num_noisy_tokens: int, audio: Sequence[AudioTokens]
) -> Iterator[tuple[slice, Sequence[AudioTokens]]]:
    """Whole latent frames, as many as `INJECTED` tokens hold, with their sound."""
    frames = audio[0].global_token.shape[1]
    each = num_noisy_tokens // frames
    for piece in pieces_of(frames, max(1, INJECTED // each)):
        parts = [speaker.frames(piece) for speaker in audio]
        yield slice(piece.start * each, piece.stop * each), parts


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
        pieces = pieces_of(hidden_states.shape[1])
        parts = ((self._projected(hidden_states[:, piece], shift, scale),) for piece in pieces)
        (output,) = joined(pieces, parts, hidden_states.shape[1], torch.float32)
        return output

    def _projected(self, hidden_states: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        output: Tensor = self.head(self.norm(hidden_states) * (1 + scale) + shift)
        return output
