"""Linear layers whose weights stay in 8-bit floats and are scaled when they are used.

ComfyUI's scaled files hold `<layer>.weight` in F8_E4M3 (or E5M2) and one float32 scale a layer,
named `scale_weight` in the first files and `weight_scale` in newer ones; the value is
`weight.to(dtype) * scale`. A writer may leave layers in high precision, so each tensor's own dtype
decides.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan.model.layers import FP32Linear, Restoring
from soundreel.errors import InputError

FP8_DTYPES = (torch.float8_e4m3fn, torch.float8_e5m2)
SCALE_NAMES = ("scale_weight", "weight_scale")

# Input scales serve fp8 matrix products only; weights are multiplied in the input's dtype here.
_IGNORED = ("scale_input", "input_scale", "comfy_quant")
_MARKER = "scaled_fp8"


class ScaledLinear(nn.Linear, Restoring):
    """A linear layer over an 8-bit weight (out, in) and its float32 scale, (), (1,) or (out, 1).

    The weight is restored when it is used, and the scale is not rounded to the inputs' dtype.
    It is held as bytes (int8): transformers casts activations to the dtype of some weights, and
    `model.to(dtype)` casts all floating ones.
    """

    scale: Tensor

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        """An empty layer of the same shape; one that computes in float32 goes on doing so.

        dtype: what the bytes are, one of FP8_DTYPES.
        """
        bias = layer.bias is not None
        super().__init__(layer.in_features, layer.out_features, bias=bias, device="meta")
        self.weight = nn.Parameter(
            torch.empty(self.weight.shape, dtype=torch.int8, device="meta"), requires_grad=False
        )
        self.register_buffer("scale", torch.empty((), device="meta"))
        self.stored_dtype = dtype
        self.float32 = isinstance(layer, FP32Linear)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        weight, bias = self.restored(x.dtype)
        return F.linear(x.to(weight.dtype), weight, bias)

    def restored(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """See `Restoring`. The weight is the caller's own."""
        dtype = torch.float32 if self.float32 else dtype
        weight = dequantise(self.weight.view(self.stored_dtype), self.scale, dtype)
        return weight, None if self.bias is None else self.bias.to(dtype)


def split_scales(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part a file's tensors into the model's own and the scales, by layer name.

    Markers and input scales are dropped. Raises InputError where an 8-bit weight has no scale and
    the file says that it is scaled, or where a scale belongs to no 8-bit weight.
    """
    weights: dict[str, Tensor] = {}
    scales: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        if last in SCALE_NAMES:
            scales[layer] = tensor.float()
        elif name != _MARKER and last not in _IGNORED:
            weights[name] = tensor
    _check_scales(weights, scales)
    return weights, scales


def _check_scales(weights: Mapping[str, Tensor], scales: Mapping[str, Tensor]) -> None:
    quantised = {
        name.removesuffix(".weight") for name, t in weights.items() if t.dtype in FP8_DTYPES
    }
    missing = sorted(quantised - set(scales)) if scales else []
    if missing:
        raise InputError(
            f"{len(missing)} 8-bit weights have no scale, first: {missing[0]}",
            hint="the file is damaged or half converted: fetch it again",
        )


def use_scaled_linears(
    model: nn.Module, weights: Mapping[str, Tensor], scales: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Replace each linear layer whose weight is 8-bit, in place; `weights` by the module's names.

    Returns what these layers hold, to be loaded: `<layer>.weight` as bytes and `<layer>.scale`.
    8-bit weights of other layers (an embedding) have to be dequantised; without a scale it is 1.
    """
    held: dict[str, Tensor] = {}
    for name, module in list(model.named_modules()):
        weight = weights.get(f"{name}.weight")
        if weight is None or weight.dtype not in FP8_DTYPES or not isinstance(module, nn.Linear):
            continue
        layer = ScaledLinear(module, weight.dtype).requires_grad_(False)
        model.set_submodule(name, layer)
        held[f"{name}.weight"] = weight.view(torch.int8)
        held[f"{name}.scale"] = scale = scales.get(name, torch.ones(()))
        layer.scale = torch.empty_like(scale, device="meta")
    return held


def dequantise(weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """`weight * scale` in `dtype`, of an 8-bit weight; the scale is (), (1,) or one a row.

    Every 8-bit float is one of `dtype` too, so the cast is exact. The scale has dimensions, since
    torch would round one without to `dtype`: so the product is made in float32 and rounded once.
    """
    rows = scale.reshape(-1, *[1] * (weight.dim() - 1))
    return weight.to(dtype).mul_(rows)
