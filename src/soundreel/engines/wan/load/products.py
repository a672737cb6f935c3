"""Products with quantised weights as they are, instead of with the restored weight.

int8    inputs become whole numbers with a scale a token, rotated first where the weight is, and are
        multiplied as such: `weight_scale * input_scale * (inputs @ weight)`
fp8     inputs become 8-bit floats (E4M3) with a scale a token

Rounding the inputs is what they cost. Source of both: comfy-kitchen 0.2 and torch's documentation
of `scaled_mm` (scales by row); what they need of sizes and cards, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan.load.comfy import Int8, rotated
from soundreel.engines.wan.load.fp8 import Fp8, held_in_8_bits
from soundreel.engines.wan.load.quantised import Parts, Quantised, QuantisedLinear, Scheme
from soundreel.engines.wan.model.layers import Product
from soundreel.errors import EngineUnavailable, mention

Rounding = Literal["int8", "fp8"]

BOUNDS = {"int8": 0.02, "fp8": 0.06}
"""|product - restored| / |restored| on normal numbers, 2-norms, at most. Measured: 0.008, 0.027."""

FP8_CAPABILITY = (8, 9)
"""Of the first NVIDIA cards that multiply 8-bit floats: Ada."""

_E4M3 = torch.float8_e4m3fn
_LARGEST = {torch.int8: 127.0, _E4M3: torch.finfo(_E4M3).max}
_ROWS, _SIDES = 32, {"int8": 8, "fp8": 16}
"""Multiples that kernels ask for: of tokens in int8, and of both sides of a weight."""

_GROUP = 256
"""Numbers that writers of int8 files rotate together."""

AT_ONCE = 2**24
"""Numbers of inputs or outputs that are worked on together: some 10 bytes each lie between."""


class _Multiply(Protocol):
    def __call__(self, inputs: Tensor, weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
        """(n, in) in any float dtype, weight (out, in), scale (1, out) -> (n, out)."""
        ...


@dataclass(frozen=True, slots=True)
class OwnProduct:
    """A layer's product by the weight as it is held. See `quantised.QuantisedLinear.own_product`.

    group: numbers that are rotated together, 0 for none.
    """

    multiply: _Multiply
    group: int = 0

    def __call__(self, parts: Parts, bias: Tensor | None, dtype: torch.dtype) -> Product:
        """What inputs of `dtype` go through, with all made that they share."""
        weight = parts["weight"]
        scale = parts["scale"].reshape(1, -1).expand(1, len(weight)).contiguous()
        eye = torch.eye(self.group, device=weight.device)
        turn = rotated(eye, self.group).to(dtype) if self.group else None
        step = max(_ROWS, AT_ONCE // max(weight.shape) // _ROWS * _ROWS)

        def run(inputs: Tensor) -> Tensor:
            rows = inputs.flatten(0, -2)
            made = rows.new_empty(len(rows), len(weight), dtype=dtype)
            for begin in range(0, len(rows), step):
                part = rows[begin : begin + step].to(dtype)
                if turn is not None:
                    part = (part.reshape(len(part), -1, self.group) @ turn).flatten(1)
                made[begin : begin + step] = self.multiply(part, weight, scale, dtype)
            made = made if bias is None else made.add_(bias.to(dtype))
            return made.reshape(*inputs.shape[:-1], len(weight))

        return run


def use_products(model: nn.Module, kind: Rounding) -> int:
    """Let every layer of `model` that can multiply its weight as it is do so; how many these are.

    Layers that compute in float32, and those whose file wants restored weights, are left alone.
    """
    layers = [module for module in model.modules() if isinstance(module, QuantisedLinear)]
    for layer in layers:
        layer.own_product = _product_of(layer, kind)
    return sum(layer.own_product is not None for layer in layers)


def _product_of(layer: QuantisedLinear, kind: Rounding) -> OwnProduct | None:
    multiple = _SIDES[kind]
    shape = (layer.out_features, layer.in_features)
    if layer.float32 or layer.exact or any(side % multiple for side in shape):
        return None
    scheme: Scheme = layer.scheme
    if kind == "int8" and isinstance(scheme, Int8):
        return OwnProduct(_whole, scheme.group)
    if kind == "fp8" and scheme == Fp8(_E4M3):
        return OwnProduct(_small_floats)
    return None


def _whole(inputs: Tensor, weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    whole, own = _rounded(inputs, torch.int8)
    padded = F.pad(whole, (0, 0, 0, -len(whole) % _ROWS))
    sums = torch._int_mm(padded, weight.t())[: len(whole)]
    return sums.float().mul_(own).mul_(scale).to(dtype)


def _small_floats(inputs: Tensor, weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    small, own = _rounded(inputs, _E4M3)
    rowwise = F.ScalingType.RowWise
    made: Tensor = F.scaled_mm(
        small, weight.view(_E4M3).t(), own, rowwise, scale, rowwise, output_dtype=dtype
    )
    return made


def _rounded(inputs: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The inputs in `dtype`, and a scale for each row, float32 (n, 1)."""
    largest = _LARGEST[dtype]
    most = inputs.abs().amax(1, keepdim=True).float()
    scale = most.clamp_(min=torch.finfo(torch.float32).tiny * largest) / largest
    scaled = inputs / scale
    return (scaled.round_() if dtype == torch.int8 else scaled).to(dtype), scale


# --- whether they are right here ----------------------------------------------------------------


def check_products(kind: Rounding, device: torch.device, dtype: torch.dtype) -> None:
    """Raises EngineUnavailable where the device has no such products, or gives other numbers than
    with restored weights."""
    lacking = _lacking(kind, device)
    if lacking:
        raise _refused(kind, lacking)
    try:
        difference = _difference(kind, device, dtype)
    except (NotImplementedError, RuntimeError, ValueError) as err:
        raise _refused(kind, f"do not run here: {str(err).strip().partition(chr(10))[0]}") from err
    if not difference <= BOUNDS[kind]:  # nor is NaN
        raise _refused(
            kind,
            f"are {difference:.0%} away from those with restored weights here, at most "
            f"{BOUNDS[kind]:.0%} are accepted",
        )


def _lacking(kind: Rounding, device: torch.device) -> str:
    if device.type not in ("cuda", "cpu"):
        return f"are not there on {device.type}"
    if kind == "int8" or device.type == "cpu":
        return ""
    if torch.version.hip is not None:
        return "are untried on AMD's cards, which have other 8-bit floats"
    here = torch.cuda.get_device_capability(device)
    if here >= FP8_CAPABILITY:
        return ""
    own = ".".join(map(str, here))
    return f"need a card of capability 8.9 or newer (RTX 40, L40S, H100), this one has {own}"


def _refused(kind: Rounding, why: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"{mention(matmul=kind)}: products in {kind} {why}",
        hint=f"take {mention(matmul='exact')}",
    )


def _difference(kind: Rounding, device: torch.device, dtype: torch.dtype) -> float:
    """On normal numbers, as many tokens as no kernel is made for."""
    random = torch.Generator().manual_seed(0)
    weight, inputs = (torch.randn(n, 512, generator=random) for n in (768, 301))
    layer = _layer(kind, weight).to(device)
    inputs = inputs.to(device, dtype)
    expected = layer(inputs).float()
    use_products(layer, kind)
    return float((layer(inputs).float() - expected).norm() / expected.norm())


def _layer(kind: Rounding, weight: Tensor) -> QuantisedLinear:
    held = held_for(kind, weight)
    out_features, in_features = weight.shape
    like = nn.Linear(in_features, out_features, bias=False, device="meta")
    layer = QuantisedLinear(like, held)
    layer.load_state_dict(held.parts, strict=True, assign=True)
    return layer.requires_grad_(False)


def held_for(kind: Rounding, weight: Tensor) -> Quantised:
    """A weight (out, in) as files have it that multiply so: a scale a row, rotated where the width
    allows it in int8."""
    if kind == "fp8":
        return held_in_8_bits(*_rounded(weight, _E4M3))
    group = 0 if weight.shape[1] % _GROUP else _GROUP
    whole, scale = _rounded(rotated(weight.float(), group), torch.int8)
    return Quantised(Int8(group), tuple(weight.shape), {"weight": whole, "scale": scale})
