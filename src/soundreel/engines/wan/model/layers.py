"""Layers that always compute in float32, whatever the dtype of their weights; and layers that make
their weight anew for every use, kept for several products.

The official code runs the former under `autocast(dtype=torch.float32)` with bf16 weights. They
upcast in their forward, so that `model.to(torch.bfloat16)` stays right; weights kept in float32
cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Product = Callable[[Tensor], Tensor]
"""(..., in) -> (..., out), as a linear layer or a row of layers."""


def product(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """inputs (..., in) times weight (out, in), plus bias (out,), as `F.linear`.

    In float32 on a CPU with AVX-512 by oneDNN, which torch brings along for convolutions. MKL, to
    which torch gives such products, does without AVX-512 on AMD's: oneDNN is 2.3 times as fast
    there. On Intel's it is left to MKL to be as fast.
    """
    if weight.numel() >= _LARGE and _on_wide_cpu(inputs, weight):
        made: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return made
    return F.linear(inputs, weight, bias)


_LARGE = 128 * 128
"""Numbers in a weight from which on oneDNN's calls cost less than they gain."""


def _on_wide_cpu(*tensors: Tensor) -> bool:
    """Whether oneDNN's product can take these, and is the faster one."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or not _has_wide_onednn():
        return False
    return all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


@cache
def _has_wide_onednn() -> bool:
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class Linear(nn.Linear):
    """A Linear layer whose product is `product`."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return product(inputs, self.weight, self.bias)


class FP32Linear(Linear):
    """A Linear layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., in) any float dtype -> (..., out) float32."""
        bias = None if self.bias is None else self.bias.float()
        return product(inputs.float(), self.weight.float(), bias)


class FP32Conv1d(nn.Conv1d):
    """A Conv1d layer in float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, in, T) any float dtype -> (B, out, T') float32."""
        bias = None if self.bias is None else self.bias.float()
        outputs: Tensor = self._conv_forward(inputs.float(), self.weight.float(), bias)
        return outputs


class Restoring:
    """A linear layer whose weight is not held as it multiplies: 8-bit, or with LoRAs on it."""

    @property
    def restores(self) -> bool:
        """Whether it multiplies with the restored weight, and not otherwise."""
        return True

    def ready(self, dtype: torch.dtype) -> Product:
        """For several inputs of `dtype`: what has to be made for them is made once."""
        weight, bias = self.restored(dtype)
        return lambda x: product(x.to(weight.dtype), weight, bias)

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
        return module.ready(dtype)
    if isinstance(module, nn.Sequential) and any(isinstance(part, Restoring) for part in module):
        parts = [ready(part, dtype) for part in module]
        return lambda x: reduce(lambda y, part: part(y), parts, x)
    return module
