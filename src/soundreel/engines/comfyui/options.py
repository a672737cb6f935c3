"""Options of the ComfyUI engine. Light: the command line reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from soundreel.engines.base import parse_options
from soundreel.engines.comfyui.presets import PRESETS, Lora, Models, Sampling
from soundreel.errors import InputError, mention
from soundreel.types import Request

NO_LORA = "none"
_SPELLINGS = {"unipc": "uni_pc"}


class ComfyUIOptions(BaseModel):
    """What is not given follows the preset, or the user's own workflow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampling_preset: Literal["fast", "quality"] = Field(
        default="fast",
        description="fast: 4 steps with a LoRA; quality: 20 steps, guidance 6, no LoRA",
    )
    steps: int | None = Field(default=None, ge=1, le=10000, description="sampling steps")
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="how strongly the prompt acts; 1 is off and twice as fast",
    )
    flow_shift: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="bends the noise schedule; higher settles motion first",
    )
    lora: tuple[str, ...] = Field(
        default=(),
        description="LoRA files on the server as name:strength, instead of the preset's; or none",
    )
    sampler: str | None = Field(default=None, description="sampler, e.g. uni_pc or euler")
    scheduler: str | None = Field(default=None, description="noise schedule, e.g. simple")
    model: str | None = Field(default=None, description="S2V model file on the server")
    text_encoder: str | None = Field(default=None, description="text encoder file on the server")
    vae: str | None = Field(default=None, description="VAE file on the server")
    audio_encoder: str | None = Field(default=None, description="audio encoder file on the server")
    film_model: str | None = Field(
        default=None,
        description=f"frame interpolation file on the server, for {mention(interpolate='film')}",
    )
    workflow: Path | None = Field(
        default=None, description="your own S2V workflow, exported from ComfyUI in API format"
    )

    def models(self) -> Models:
        default = Models()
        return Models(
            self.model or default.model,
            self.text_encoder or default.text_encoder,
            self.vae or default.vae,
            self.audio_encoder or default.audio_encoder,
        )

    def sampling(self) -> Sampling:
        """The preset, with what the user set put over it."""
        preset = PRESETS[self.sampling_preset]
        return Sampling(
            steps=preset.steps if self.steps is None else self.steps,
            guidance=preset.guidance if self.guidance_scale is None else self.guidance_scale,
            loras=parse_loras(self.lora) if self.lora else preset.loras,
            shift=preset.shift if self.flow_shift is None else self.flow_shift,
            sampler=_SPELLINGS.get(self.sampler or "", self.sampler) or preset.sampler,
            scheduler=self.scheduler or preset.scheduler,
        )


def read_options(request: Request) -> ComfyUIOptions:
    """The request's options. Raises InputError naming the first wrong one."""
    options = parse_options(ComfyUIOptions, request.options)
    if options.workflow is not None and "sampling_preset" in options.model_fields_set:
        raise InputError(
            f"{mention('sampling_preset')} and {mention('workflow')} exclude each other",
            hint="the workflow brings its own settings; change single ones, such as "
            f"{mention('steps')}",
        )
    return options


def parse_loras(texts: tuple[str, ...]) -> tuple[Lora, ...]:
    """Each `NAME` or `NAME:STRENGTH`; `none` alone means no LoRA. Raises InputError."""
    return () if texts == (NO_LORA,) else tuple(_parse_lora(text) for text in texts)


def _parse_lora(text: str) -> Lora:
    name, colon, strength = text.rpartition(":")
    if not colon:
        return Lora(text)
    try:
        return Lora(name, float(strength))
    except ValueError as err:
        raise InputError.about(
            {"options.lora": text},
            f"{strength!r} is not a strength",
            hint="write e.g. my_lora.safetensors:0.8, or none",
        ) from err
