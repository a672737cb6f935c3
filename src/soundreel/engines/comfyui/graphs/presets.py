"""What ComfyUI calls the model's files, its samplers and its noise schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soundreel.engines import wan22


@dataclass(frozen=True, slots=True)
class Models:
    """File names as ComfyUI lists them."""

    model: str = wan22.TRANSFORMER.name
    text_encoder: str = wan22.TEXT_ENCODER.name
    vae: str = wan22.VAE.name
    audio_encoder: str = wan22.AUDIO_ENCODER.name


SCHEDULER = "simple"
"""Even steps of the shifted sigma ladder, as Wan's own code takes them (comfy/samplers.py,
`simple_scheduler`); it starts at 1, where Wan's UniPC starts at 0.999."""

_SAMPLERS: Mapping[str, str] = {"unipc": "uni_pc", "dpm++": "dpmpp_2m"}


def sampler_name(word: str) -> str:
    """The server's name for one of `wan22.SAMPLERS`; its own further samplers keep theirs."""
    return _SAMPLERS.get(word, word)
