"""Which kernel computes self-attention: one of diffusers' attention backends, checked before use.

There are releases of kernels that run without an error and give black pictures with this model. So
a kernel is compared with torch's own on random numbers, on the device and in the dtype of the job.
"""

from __future__ import annotations

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch import nn

from soundreel.engines.wan.model.blocks import WanS2VTransformerBlock
from soundreel.errors import EngineUnavailable, mention

BACKENDS = {"native": "native", "flash": "flash", "flash3": "_flash_3", "sage": "sage"}
"""Ours -> diffusers' name."""

BOUND = 0.05
"""|kernel - native| / |native|, 2-norms, at most. Sage's queries and keys are 8-bit integers."""

_SHAPE = (1, 512, 4, 128)
"""Batch, tokens, heads and the head's width, which is the 14B's."""


def use_kernel(model: nn.Module, name: str) -> None:
    """Self-attention of every block by the kernel; "auto" leaves diffusers' own choice.

    Attention to text and sound stays: its keys are few.
    """
    if name == "auto":
        return
    for block in model.modules():
        if isinstance(block, WanS2VTransformerBlock):
            block.self_attn.processor._attention_backend = AttentionBackendName(BACKENDS[name])


def check_kernel(name: str, device: torch.device, dtype: torch.dtype) -> None:
    """Raises EngineUnavailable where the kernel does not run on the device, or gives other numbers
    than torch's own."""
    if name in ("auto", "native"):
        return
    random = torch.Generator().manual_seed(0)
    heads = [torch.randn(_SHAPE, generator=random).to(device, dtype) for _ in range(3)]
    try:
        given = dispatch_attention_fn(*heads, backend=AttentionBackendName(BACKENDS[name])).float()
    except (ImportError, RuntimeError, TypeError, ValueError) as err:
        raise EngineUnavailable(
            f"{mention(attention=name)} does not run on this device ({device.type}, "
            f"{str(dtype).removeprefix('torch.')}): {err}",
            hint=f"take {mention(attention='native')}",
        ) from err
    expected = dispatch_attention_fn(*heads, backend=AttentionBackendName("native")).float()
    difference = float((given - expected).norm() / expected.norm())
    if not difference <= BOUND:  # nor is NaN
        raise EngineUnavailable(
            f"{mention(attention=name)} gives wrong numbers here: {difference:.0%} away from "
            f"torch's own attention, at most {BOUND:.0%} are accepted",
            hint=f"install another release of it, or take {mention(attention='native')}",
        )
