"""What each stage of image to video needs at the model's published sizes: see `memory.needs`, whose
table holds the formulas. No torch.

Stages, in the order of the session:

    text         the text encoder; gone afterwards
    pictures     the VAE's encoder on a whole pass, most of it grey; and both transformers' way to
                 the device, which each makes once a pass
    sampling     one transformer; with level none, the VAE lies beside it
    decode       the VAE's decoder, latent by latent; no transformer is on the device any more
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from soundreel.engines.wan.encoders.tiles import Tiling
from soundreel.engines.wan.memory.needs import (
    OffloadLevel,
    Precision,
    StageNeeds,
    Weights,
    Workload,
    decode_count,
    encode_count,
    published_weights,
    step_count,
    text_count,
    vae_weights,
)

LORA_BYTES = 613_416_960
"""Of each few-step LoRA in 16 bits: rank 64 on the ten matrices of 40 blocks."""


@dataclass(frozen=True, slots=True)
class ImageWorkload(Workload):
    """A pass that makes `frames` pictures after the one that it begins with."""

    reference: bool = False
    motion: bool = False

    @property
    def pass_table(self) -> str:
        return "image step"

    @property
    def ways_to_attend(self) -> tuple[Workload, ...]:
        return (self,)

    @property
    def latents(self) -> tuple[int, int, int]:
        frames, height, width = Workload.latents.__get__(self)
        return frames + 1, height, width

    @property
    def encoded(self) -> int:
        return self.latents[0]

    def stages(
        self, precision: Precision, level: OffloadLevel, tiling: Tiling
    ) -> Iterator[StageNeeds]:
        transformer = precision.transformer_weights.with_loras(precision.lora_bytes)
        text, vae = precision.text_weights, vae_weights().all
        counted = text_count(precision.text_encoder)
        yield StageNeeds(
            "text", text.resident(level), counted.peak_bytes, counted.flops, True, text.all
        )
        counted = encode_count(self, self.latents[0], tiling.encode)
        moved = vae + 2 * (transformer.rest if level == "block" else transformer.all)
        yield StageNeeds("pictures", vae, counted.peak_bytes, counted.flops, False, moved)
        counted = step_count(self, precision.transformer)
        held = transformer.resident(level) + (vae if level == "none" else 0)
        bus = transformer.all - transformer.rest if level == "block" else 0
        yield StageNeeds("sampling", held, counted.peak_bytes, counted.flops, True, bus)
        counted = decode_count(self, self.latents[0], tiling.decode)
        yield StageNeeds("decode", vae, counted.peak_bytes, counted.flops, True)


def transformer_weights(number_format: str) -> Weights:
    """Of each of the two, in "fp8_scaled" or 16 bits."""
    return published_weights("image transformer", number_format)
