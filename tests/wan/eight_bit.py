"""The tiny model with 8-bit weights, as an fp8_scaled writer leaves them, and a LoRA for it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from soundreel.engines.wan.load.mapped import read_state
from wan.model_folder import make_model_folder


def write_eight_bit_folder(folder: Path) -> Path:
    """The two big parts scaled; `style.safetensors` is a LoRA on one layer."""
    make_model_folder(folder)
    for name in ("transformer", "text_encoder"):
        (path,) = (folder / name).glob("*.safetensors")
        save_file(scaled(read_state([path])), path)
    layer = "diffusion_model.blocks.1.ffn.0"
    parts = {"lora_down.weight": torch.randn(2, 48), "lora_up.weight": torch.randn(64, 2)}
    save_file({f"{layer}.{part}": t for part, t in parts.items()}, folder / "style.safetensors")
    return folder


def scaled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out = {}
    for name, tensor in state.items():
        out[name] = tensor.clone()
        table = "relative_attention_bias" in name or "embed" in name or "shared" in name
        if tensor.dim() == 2 and name.endswith(".weight") and not (table or "mask" in name):
            scale = tensor.abs().max() / 448
            out[name] = (tensor / scale).to(torch.float8_e4m3fn)
            out[name.replace(".weight", ".scale_weight")] = scale
    return out
