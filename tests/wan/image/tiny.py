"""The tiny random I2V model in a folder as ComfyUI's, made once: the whole engine runs anywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from soundreel.engines.wan22_i2v import EXPERTS, FEW_STEP_LORAS, TRANSFORMERS
from wan.image.twins import expert
from wan.model_folder import make_part, write_tokenizer

OPTIONS: dict[str, Any] = {"chunk_frames": 8}
"""The default preset, in short passes."""


@cache
def _folder() -> TemporaryDirectory[str]:
    """Removed at exit."""
    folder = TemporaryDirectory(prefix="soundreel-wan-i2v-")
    write_model_folder(Path(folder.name))
    return folder


def model_folder() -> Path:
    return Path(_folder().name)


def write_model_folder(folder: Path) -> Path:
    for name in ("diffusion_models", "loras"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    numbers = torch.Generator().manual_seed(9)
    for seed, each in enumerate(EXPERTS, 1):
        model = expert(seed, attention_head_dim=128, num_attention_heads=1)
        file = TRANSFORMERS[each]
        save_file(dict(model.state_dict()), folder / file.folder / file.name)
        layer, lora = "diffusion_model.blocks.0.self_attn.q", FEW_STEP_LORAS[each]
        parts = {
            f"{layer}.lora_down.weight": torch.randn(4, 128, generator=numbers) / 8,
            f"{layer}.lora_up.weight": torch.randn(128, 4, generator=numbers) / 8,
        }
        save_file(parts, folder / lora.folder / lora.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        make_part(folder, "vae")
        make_part(folder, "text_encoder").rename(folder / "text_encoders")
    write_tokenizer(folder / "tokenizer")
    return folder
