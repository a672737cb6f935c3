"""8-bit floats with one float32 scale a layer or a row.

ComfyUI's scaled files hold `<layer>.weight` in F8_E4M3 (or E5M2) and the scale, named
`scale_weight` in the first files and `weight_scale` in newer ones; the value is
`weight.to(dtype) * scale`. A writer may leave layers in high precision, so each tensor's own dtype
decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soundreel.engines.wan.load.quantised import Parts, Quantised

FP8_DTYPES = (torch.float8_e4m3fn, torch.float8_e5m2)


@dataclass(frozen=True, slots=True)
class Fp8:
    """stored: what the bytes are, one of FP8_DTYPES. Parts: weight (rows, columns); scale, (), (1,)
    or (rows, 1)."""

    stored: torch.dtype

    def restore(self, parts: Parts, dtype: torch.dtype) -> Tensor:
        """See `Scheme`."""
        return dequantise(parts["weight"].view(self.stored), parts["scale"], dtype)


def held_in_8_bits(weight: Tensor, scale: Tensor | None = None) -> Quantised:
    """An 8-bit float weight with its scale; without one it is 1."""
    scale = torch.ones((), device=weight.device) if scale is None else scale
    parts = {"weight": weight.view(torch.int8), "scale": scale.float()}
    return Quantised(Fp8(weight.dtype), tuple(weight.shape), parts)


def dequantise(weight: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """`weight * scale` in `dtype`, of an 8-bit weight; the scale is (), (1,) or one a row.

    Every 8-bit float is one of `dtype` too, so the cast is exact. The scale has dimensions, since
    torch would round one without to `dtype`: so the product is made in float32 and rounded once.
    """
    rows = scale.reshape(-1, *[1] * (weight.dim() - 1))
    return weight.to(dtype).mul_(rows)
