"""Weights that are held in fewer bits than they multiply in, and made anew for every use.

A `Scheme` knows how numbers of one format come back; `QuantisedLinear` and `QuantisedEmbedding`
hold the bytes. A new format is a scheme, and a line where files are read (`reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from soundreel.engines.wan.model.layers import FP32Linear, Product, Restoring

Parts = Mapping[str, Tensor]
"""What a file holds of one weight: "weight" and, by format, its scales."""


class Scheme(Protocol):
    """One format of numbers; a frozen value without tensors."""

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """The weight (rows, columns) in `dtype`, made in float32 and rounded once; the caller's
        own. Padding that the format asks for is still there."""
        ...


@dataclass(frozen=True, slots=True)
class Quantised:
    """One weight of a file. shape: as the model knows it; parts: bytes (int8) and scales; exact:
    its writer wants it restored for every product."""

    scheme: Scheme
    shape: tuple[int, ...]
    parts: dict[str, Tensor]
    exact: bool = False

    @property
    def by_rows(self) -> bool:
        """Whether each row can be restored by itself."""
        return set(self.parts) == {"weight"}

    def restored(self, dtype: torch.dtype) -> Tensor:
        """The weight in `dtype`, of `shape`."""
        weight = self.scheme.restore(self.parts, dtype)
        if weight.numel() == torch.Size(self.shape).numel():
            return weight.reshape(self.shape)
        return weight[tuple(slice(side) for side in self.shape)]


AT_ONCE = 2**22
"""Numbers that are restored together: what lies between takes up to some 30 bytes for each, and a
matrix has up to 70 million."""


def by_rows(
    rows: int, columns: int, dtype: torch.dtype, like: Tensor, made: Callable[[slice], Tensor]
) -> Tensor:
    """(rows, columns) in `dtype` on the device of `like`, a few rows at a time.

    made: those rows in float32.
    """
    weight = torch.empty(rows, columns, dtype=dtype, device=like.device)
    step = max(1, AT_ONCE // columns)
    for begin in range(0, rows, step):
        part = slice(begin, min(begin + step, rows))
        weight[part] = made(part)
    return weight


class QuantisedLinear(nn.Linear, Restoring):
    """A linear layer over a quantised weight, restored when it is used.

    Its bytes are int8, whatever they hold: transformers casts activations to the dtype of some
    weights, and `model.to(dtype)` casts all floating ones; scales are float32 buffers, kept so too.
    own_product: multiplies the weight as it is held instead; `products` puts it there.
    """

    own_product: Callable[[Parts, Tensor | None, torch.dtype], Product] | None = None

    def __init__(self, layer: nn.Linear, like: Quantised) -> None:
        """An empty layer of the same size; one that computes in float32 goes on doing so."""
        bias = layer.bias is not None
        super().__init__(layer.in_features, layer.out_features, bias=bias, device="meta")
        hold(self, like)
        self.scheme, self.exact = like.scheme, like.exact
        self.float32 = isinstance(layer, FP32Linear)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return self.ready(x.dtype)(x)

    @property
    def restores(self) -> bool:
        """See `Restoring`."""
        return self.own_product is None

    def ready(self, dtype: torch.dtype) -> Product:
        """See `Restoring`."""
        if self.own_product is None:
            return super().ready(dtype)
        return self.own_product(parts_of(self), self.bias, dtype)

    def restored(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """See `Restoring`. The weight is the caller's own."""
        dtype = torch.float32 if self.float32 else dtype
        weight = self.scheme.restore(parts_of(self), dtype)
        if weight.shape != (self.out_features, self.in_features):
            weight = weight[: self.out_features, : self.in_features]
        return weight, None if self.bias is None else self.bias.to(dtype)


class QuantisedEmbedding(nn.Embedding):
    """A table whose rows are restored when they are looked up: a vocabulary is large, a prompt
    short. Only for schemes in which a row stands by itself."""

    def __init__(self, table: nn.Embedding, like: Quantised, dtype: torch.dtype) -> None:
        super().__init__(table.num_embeddings, table.embedding_dim, device="meta")
        hold(self, like)
        self.scheme, self.dtype = like.scheme, dtype

    def forward(self, indices: Tensor) -> Tensor:
        """(...,) -> (..., embedding_dim)."""
        rows = self.weight[indices.reshape(-1)]
        made = self.scheme.restore({**parts_of(self), "weight": rows}, self.dtype)
        return made.reshape(*indices.shape, self.embedding_dim)


def hold(module: nn.Module, like: Quantised) -> None:
    """Give a module empty places for the parts of a weight, as bytes and float32 buffers."""
    for name, part in like.parts.items():
        empty = torch.empty_like(part, device="meta")
        if name == "weight":
            module.register_parameter(name, nn.Parameter(empty, requires_grad=False))
        else:
            module.register_buffer(name, empty)


def parts_of(module: nn.Module) -> dict[str, Tensor]:
    """The parts that a module holds, bias left out."""
    held = dict(module.named_buffers(recurse=False))
    weight = module.weight
    assert isinstance(weight, Tensor)
    return {"weight": weight, **held}
