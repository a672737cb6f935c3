"""Model files and sampling settings of the Wan 2.2 S2V graph, and the two presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Models:
    """File names as ComfyUI lists them."""

    model: str = "wan2.2_s2v_14B_fp8_scaled.safetensors"
    text_encoder: str = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
    vae: str = "wan_2.1_vae.safetensors"
    audio_encoder: str = "wav2vec2_large_english_fp16.safetensors"


@dataclass(frozen=True, slots=True)
class Lora:
    name: str
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """shift bends the sigma schedule; guidance 1 runs the model once a step, else twice."""

    steps: int
    guidance: float
    loras: tuple[Lora, ...]
    shift: float = 8.0
    sampler: str = "uni_pc"
    scheduler: str = "simple"


LIGHTNING = Lora("wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors")

PRESETS: Mapping[str, Sampling] = {
    "fast": Sampling(steps=4, guidance=1.0, loras=(LIGHTNING,)),
    "quality": Sampling(steps=20, guidance=6.0, loras=()),
}
"""Values of ComfyUI's own S2V workflow, with and without its 4-step LoRA."""
