"""Attention of the transformer: self-attention with rotary places, and cross-attention.

Source: Wan-Video/Wan2.2, wan/modules/model.py (`WanSelfAttention`, `WanCrossAttention`). The kernel
is diffusers' `dispatch_attention_fn`: `model.set_attention_backend("flash")` and the like work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import dispatch_attention_fn
from torch import Tensor, nn

from soundreel.engines.wan.model.layers import Linear, Product, ready
from soundreel.engines.wan.model.pieces import joined

RotaryTable = tuple[Tensor, Tensor]
"""Cosine and sine, float32 (tokens, head_dim / 2)."""


def rotations(table: RotaryTable) -> Tensor:
    """The table as `apply_rotary` takes it: (tokens, 1, head_dim / 2, 2), cosine and sine side by
    side, which is how complex numbers lie. Compilers of torch have none of these."""
    return torch.stack(table, dim=-1).unsqueeze(1)


def apply_rotary(hidden_states: Tensor, rotary_emb: Tensor) -> Tensor:
    """Turn the interleaved pairs (2j, 2j + 1) of (B, S, heads, head_dim), in float32.

    Float32 ones may be written over unless gradients are recorded.
    """
    wide = hidden_states.float()
    if wide.device.type in ("cpu", "mps") or torch.compiler.is_compiling():
        return turned_as_reals(wide, rotary_emb)
    return turned_as_complex(wide, rotary_emb)


def turned_as_complex(wide: Tensor, rotary_emb: Tensor) -> Tensor:
    """Half the bytes of `turned_as_reals`; compilers of torch cannot fuse it."""
    pairs = torch.view_as_complex(torch.unflatten(wide, -1, (-1, 2)))
    turns = torch.view_as_complex(rotary_emb)
    turned = pairs * turns if torch.is_grad_enabled() else pairs.mul_(turns)
    return torch.view_as_real(turned).flatten(3)


def turned_as_reals(wide: Tensor, rotary_emb: Tensor) -> Tensor:
    """As the official code rounds on a CPU: a fused multiplication and addition differs by 1e-6."""
    cos, sin = rotary_emb.unbind(-1)
    even, odd = torch.unflatten(wide, -1, (-1, 2)).unbind(-1)
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
        rotary_emb: Tensor | None = None,
    ) -> Tensor:
        """(B, S, dim) -> (B, S, dim). Keys are (B, S', dim) of `encoder_hidden_states` if given."""
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.heads_of(attn.q(hidden_states), attn.norm_q, rotary_emb)  # (B, S, h, d)
        key = attn.heads_of(attn.k(source), attn.norm_k, rotary_emb)  # (B, S', h, d)
        value = attn.heads_of(attn.v(source))  # (B, S', h, d)
        query, key = query.to(value.dtype), key.to(value.dtype)
        output: Tensor = attn.o(self.attend(query, key, value, attention_mask))
        return output

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Heads (B, S, h, d), of one dtype -> (B, S, dim), before the last projection."""
        output = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=attention_mask,
            backend=self._attention_backend,
        )
        return output.flatten(2).type_as(value)  # type: ignore[no-any-return]


class WanS2VAttention(nn.Module, AttentionModuleMixin):  # type: ignore[misc]
    """Projections q, k, v, o and the norms of q and k, named as in the checkpoint."""

    _default_processor_cls = WanS2VAttnProcessor
    _available_processors = [WanS2VAttnProcessor]  # noqa: RUF012
    _supports_qkv_fusion = False

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.q = Linear(dim, dim)
        self.k = Linear(dim, dim)
        self.v = Linear(dim, dim)
        self.o = Linear(dim, dim)
        self.norm_q = nn.RMSNorm(dim, eps=eps)
        self.norm_k = nn.RMSNorm(dim, eps=eps)
        self.processor = WanS2VAttnProcessor()

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: Tensor | None = None,
    ) -> Tensor:
        """See `WanS2VAttnProcessor`. A block takes the steps by themselves, in pieces."""
        return self.processor(
            self, hidden_states, encoder_hidden_states, attention_mask, rotary_emb
        )

    def heads_of(
        self, projected: Tensor, norm: nn.Module | None = None, rotary_emb: Tensor | None = None
    ) -> Tensor:
        """(B, S, dim) -> (B, S, h, d). Turned ones are float32, and those of norms in float32.

        Queries and keys are normed over the full width, before the split into heads.
        """
        normed = projected if norm is None else norm(projected)
        heads: Tensor = normed.unflatten(2, (self.heads, -1))
        return heads if rotary_emb is None else apply_rotary(heads, rotary_emb)

    def among(
        self,
        tokens: Callable[[slice], Tensor],
        pieces: Sequence[slice],
        rotary_emb: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Self-attention over tokens that are made piece by piece, (B, piece, dim) in `dtype`:
        (B, S, dim), before the last projection."""
        query, key, value = self._among_heads(tokens, pieces, rotary_emb, dtype, queries=True)
        return self.processor.attend(query, key, value)

    def among_slices(
        self,
        tokens: Callable[[slice], Tensor],
        pieces: Sequence[slice],
        rotary_emb: Tensor,
        dtype: torch.dtype,
    ) -> Iterator[Tensor]:
        """So too, of each piece (B, piece, dim), whose queries are made when it is asked for. All
        keys and values are made before the first."""
        key, value = self._among_heads(tokens, pieces, rotary_emb, dtype, queries=False)
        q = ready(self.q, dtype)

        def attended(piece: slice) -> Tensor:
            query = self.heads_of(q(tokens(piece)), self.norm_q, rotary_emb[piece])
            return self.processor.attend(query.to(dtype), key, value)

        return map(attended, pieces)

    def _among_heads(
        self,
        tokens: Callable[[slice], Tensor],
        pieces: Sequence[slice],
        rotary_emb: Tensor,
        dtype: torch.dtype,
        *,
        queries: bool,
    ) -> tuple[Tensor, ...]:
        """Queries where they are wanted, keys and values (B, S, h, d) of all tokens."""
        layers = [(self.q, self.norm_q)] if queries else []
        layers += [(self.k, self.norm_k)]
        turned = [(ready(layer, dtype), norm) for layer, norm in layers]
        v = ready(self.v, dtype)

        def heads(piece: slice) -> tuple[Tensor, ...]:
            source, places = tokens(piece), rotary_emb[piece]
            made = [self.heads_of(layer(source), norm, places) for layer, norm in turned]
            return *made, self.heads_of(v(source))

        return joined(pieces, map(heads, pieces), rotary_emb.shape[0], dtype)

    def toward(self, source: Tensor) -> Product:
        """Cross-attention to (B, S', dim), for pieces of tokens (B, piece, dim) of its dtype."""
        dtype = source.dtype
        key = self.heads_of(self.k(source), self.norm_k).to(dtype)
        value = self.heads_of(self.v(source))
        q, o = ready(self.q, dtype), ready(self.o, dtype)

        def look(tokens: Tensor) -> Tensor:
            query = self.heads_of(q(tokens), self.norm_q).to(dtype)
            return o(self.processor.attend(query, key, value))

        return look
