"""Attention of the transformer: self-attention with rotary places, and cross-attention.

Source: Wan-Video/Wan2.2, wan/modules/model.py (`WanSelfAttention`, `WanCrossAttention`). The kernel
is diffusers' `dispatch_attention_fn`: `model.set_attention_backend("flash")` and the like work.
"""

from __future__ import annotations

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn

RotaryTable = tuple[Tensor, Tensor]
"""Cosine and sine, float32 (tokens, head_dim / 2)."""


def apply_rotary(hidden_states: Tensor, rotary_emb: RotaryTable) -> Tensor:
    """Turn the interleaved pairs (2j, 2j + 1) of (B, S, heads, head_dim), in float32."""
    cos, sin = (table.unsqueeze(1) for table in rotary_emb)  # (S, 1, head_dim / 2)
    even, odd = torch.unflatten(hidden_states.float(), -1, (-1, 2)).unbind(-1)
    turned = torch.addcmul(even * cos, odd, sin, value=-1), torch.addcmul(even * sin, odd, cos)
    return torch.stack(turned, dim=-1).flatten(3)


class WanS2VAttnProcessor:
    """Scaled dot-product attention through diffusers' attention backends."""

    _attention_backend = None

    def __call__(
        self,
        attn: WanS2VAttention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: RotaryTable | None = None,
    ) -> Tensor:
        """(B, S, dim) -> (B, S, dim). Keys are (B, S', dim) of `encoder_hidden_states` if given."""
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states

        # 1. Queries and keys are normed over the full width, before the split into heads.
        query = attn.norm_q(attn.q(hidden_states)).unflatten(2, (attn.heads, -1))  # (B, S, h, d)
        key = attn.norm_k(attn.k(source)).unflatten(2, (attn.heads, -1))  # (B, S', h, d)
        value = attn.v(source).unflatten(2, (attn.heads, -1))  # (B, S', h, d)

        # 2. Rotary places in float32. Norms kept in float32 give float32: back to one dtype.
        if rotary_emb is not None:
            query = apply_rotary(query, rotary_emb).to(value.dtype)
            key = apply_rotary(key, rotary_emb).to(value.dtype)
        query, key = query.to(value.dtype), key.to(value.dtype)

        # 3. Attention.
        output = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=attention_mask,
            backend=self._attention_backend,
        )
        return attn.o(output.flatten(2).type_as(value))  # type: ignore[no-any-return]


class WanS2VAttention(nn.Module, AttentionModuleMixin):  # type: ignore[misc]
    """Projections q, k, v, o and the norms of q and k, named as in the checkpoint."""

    _default_processor_cls = WanS2VAttnProcessor
    _available_processors = [WanS2VAttnProcessor]  # noqa: RUF012
    _supports_qkv_fusion = False

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = nn.RMSNorm(dim, eps=eps)
        self.norm_k = nn.RMSNorm(dim, eps=eps)
        self.processor = WanS2VAttnProcessor()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: RotaryTable | None = None,
    ) -> Tensor:
        """See `WanS2VAttnProcessor`."""
        return self.processor(
            self, hidden_states, encoder_hidden_states, attention_mask, rotary_emb
        )
