"""Work along the tokens in pieces, so that what a step makes on the way is as small as a piece.

All of a block but the attention over all tokens treats each token by itself. Where gradients are
recorded, one piece is everything, and nothing is written over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PIECE = 8192
"""Tokens of a piece: at the 14B's width 160 MiB in float32, and still long enough for any card."""

Span = tuple[slice, int]
"""Tokens of one kind, and the kind: 0 is noisy, 1 all others."""


def pieces_of(tokens: int, size: int | None = None) -> list[slice]:
    """Slices that cover so many tokens, of `size` each (else of PIECE) but the last."""
    size = size or PIECE
    if torch.is_grad_enabled():
        return [slice(0, tokens)]
    return [slice(start, min(start + size, tokens)) for start in range(0, tokens, size)]


def spans_of(piece: slice, num_noisy: int) -> list[Span]:
    """The piece's tokens by kind, counted from the piece's start."""
    border = min(max(num_noisy - piece.start, 0), piece.stop - piece.start)
    spans = [(slice(0, border), 0), (slice(border, piece.stop - piece.start), 1)]
    return [(span, kind) for span, kind in spans if span.stop > span.start]


def joined(
    pieces: Sequence[slice], parts: Iterable[tuple[Tensor, ...]], tokens: int, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """What each piece gave, (B, piece, ...) each, as (B, tokens, ...) in `dtype`: put into place as
    it comes, so that no piece lies beside the whole for long."""
    result: tuple[Tensor, ...] = ()
    for piece, part in zip(pieces, parts, strict=True):
        if len(pieces) == 1:
            return tuple(tensor.to(dtype) for tensor in part)
        if not result:
            result = tuple(t.new_empty(t.shape[0], tokens, *t.shape[2:], dtype=dtype) for t in part)
        for into, tensor in zip(result, part, strict=True):
            into[:, piece] = tensor
    return result


def modulated(
    normed: Tensor, shift: Tensor, scale: Tensor, spans: Sequence[Span], dtype: torch.dtype
) -> Tensor:
    """normed (1 + scale) + shift in `dtype`; shift and scale (B, 2, dim) are of the two kinds."""
    if torch.is_grad_enabled():
        parts = [
            torch.addcmul(shift[:, i : i + 1], normed[:, span], 1 + scale[:, i : i + 1])
            for span, i in spans
        ]
        return torch.cat(parts, dim=1).to(dtype)
    result = torch.empty_like(normed, dtype=dtype)
    for span, i in spans:
        torch.addcmul(
            shift[:, i : i + 1], normed[:, span], 1 + scale[:, i : i + 1], out=result[:, span]
        )
    return result


def add(hidden: Tensor, piece: slice, output: Tensor) -> Tensor:
    """hidden with `output` (B, piece, dim) added at `piece`: written into `hidden`, unless
    gradients are recorded."""
    if torch.is_grad_enabled():
        grown = hidden[:, piece] + output
        return torch.cat([hidden[:, : piece.start], grown, hidden[:, piece.stop :]], dim=1)
    hidden[:, piece].add_(output)
    return hidden


def add_gated(
    hidden: Tensor,
    piece: slice,
    output: Tensor,
    gate: Tensor,
    spans: Sequence[Span],
    into: Tensor | None = None,
) -> Tensor:
    """hidden with output * gate added at `piece`; gate (B, 2, dim) is of the two kinds of tokens.

    It is written into `into`, else into `hidden`, unless gradients are recorded.
    """
    here = hidden[:, piece]
    if torch.is_grad_enabled():  # the piece is everything
        parts = [
            torch.addcmul(here[:, span], output[:, span].float(), gate[:, i : i + 1])
            for span, i in spans
        ]
        return torch.cat(parts, dim=1)
    into = hidden if into is None else into
    there = into[:, piece]
    for span, i in spans:
        torch.addcmul(here[:, span], output[:, span], gate[:, i : i + 1], out=there[:, span])
    return into
