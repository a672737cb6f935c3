"""Layers that always compute in float32, whatever the dtype of their weights; and layers that make
their weight anew for every use, kept for several products.

The official code runs the former under `autocast(dtype=torch.float32)` with bf16 weights. They
upcast in their forward, so that `model.to(torch.bfloat16)` stays right; weights kept in float32
cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Product = Callable[[Tensor], Tensor]
"""(..., in) -> (..., out), as a linear layer or a row of layers."""


class FP32Linear(nn.Linear):
    """A Linear layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) any float dtype -> (..., out) float32."""
        bias = None if self.bias is None else self.bias.float()
        return F.linear(inputs.float(), self.weight.float(), bias)


class FP32Conv1d(nn.Conv1d):
    """A Conv1d layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in, T) any float dtype -> (B, out, T') float32."""
        bias = None if self.bias is None else self.bias.float()
        outputs: Tensor = self._conv_forward(inputs.float(), self.weight.float(), bias)
        return outputs


class Restoring:
    """A linear layer whose weight is not held as it multiplies: 8-bit, or with LoRAs on it."""

    def restored(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight (out, in) and bias (out,), as an input of `dtype` meets them."""
        raise NotImplementedError


def restored(layer: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a linear layer of whatever kind, as an input of `dtype` meets them.

    Of a plain layer they are its own, and not for writing.
    """
    if isinstance(layer, Restoring):
        return layer.restored(dtype)
    assert isinstance(layer, nn.Linear)
    if not isinstance(layer, FP32Linear):
        return layer.weight, layer.bias
    return layer.weight.float(), None if layer.bias is None else layer.bias.float()


def ready(module: nn.Module, dtype: torch.dtype) -> Product:
    """The module for several inputs of `dtype`: what has to be restored is restored once.

    Where nothing has to be, it is the module itself, with its hooks.
    """
    if isinstance(module, Restoring):
        weight, bias = module.restored(dtype)
        return lambda x: F.linear(x.to(weight.dtype), weight, bias)
    if isinstance(module, nn.Sequential) and any(isinstance(part, Restoring) for part in module):
        parts = [ready(part, dtype) for part in module]
        return lambda x: reduce(lambda y, part: part(y), parts, x)
    return module
