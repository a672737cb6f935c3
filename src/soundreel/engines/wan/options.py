"""Options of the wan engine: light, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from soundreel.engines.base import parse_options as parse
from soundreel.errors import InputError

Sampler = Literal["unipc", "dpm++", "euler"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one chunk is sampled; `flow_shift` bends the sigma ladder."""

    steps: int
    guidance_scale: float
    flow_shift: float
    sampler: Sampler


_SPELLINGS = {"uni_pc": "unipc", "dpmpp": "dpm++"}

PRESETS: Mapping[str, Sampling] = {
    # LightX2V's few-step LoRA for Wan 2.2: no guidance, Euler, shift 5 (ModelTC/Wan2.2-Lightning).
    "fast": Sampling(4, 1.0, 5.0, "euler"),
    # ComfyUI's published S2V workflow without the LoRA: 20 steps, guidance 6, uni_pc, shift 8.
    "quality": Sampling(20, 6.0, 8.0, "unipc"),
    # Wan-Video/Wan2.2, wan/configs/wan_s2v_14B.py: 40 steps, guidance 4.5, shift 3, UniPC.
    "official": Sampling(40, 4.5, 3.0, "unipc"),
}


class WanOptions(BaseModel):
    """What the engine wan understands. None takes the preset's value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sampling_preset: Literal["fast", "quality", "official"] = Field(
        default="official",
        description="steps, guidance, shift and sampler together: fast (4 steps, needs a few-step "
        "LoRA), quality (20 steps), official (40 steps)",
    )
    steps: int | None = Field(default=None, ge=1, le=1000, description="sampling steps")
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="how strongly prompt and sound act; 1 means no guidance",
    )
    flow_shift: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="shift of the sigma ladder: more works on the layout",
    )
    sampler: str | None = Field(
        default=None, description="unipc, dpm++, or euler for few-step weights"
    )
    init_first_frame: bool = Field(
        default=False, description="begin the video with the reference image itself"
    )
    pose_video: Path | None = Field(
        default=None, description="video of pose pictures that the motion follows"
    )
    chunk_frames: int = Field(
        default=80, ge=8, le=160, multiple_of=4, description="most pictures in one inference pass"
    )
    offload: Literal["auto", "none", "model", "block"] = Field(
        default="auto",
        description="what waits in main memory: nothing, whole models, or transformer blocks",
    )
    lora: tuple[str, ...] = Field(
        default=(), description="LoRA files as path:strength (strength 1 if left out)"
    )
    model: str | None = Field(
        default=None, description="S2V transformer: a file name in the models folders, or a path"
    )
    preview_steps: int = Field(
        default=0, ge=0, description="send a small preview picture every N sampling steps; 0: none"
    )
    reference_timing: bool = Field(
        default=False,
        description="time and cut exactly as Wan's own code does (picture leads sound by 187.5 ms)",
    )

    @field_validator("sampler")
    @classmethod
    def _known_sampler(cls, value: str | None) -> str | None:
        name = None if value is None else _SPELLINGS.get(value, value)
        if name is not None and name not in get_args(Sampler):
            known = ", ".join(get_args(Sampler))
            raise PydanticCustomError("sampler", "choose one of: {known}", {"known": known})
        return name

    @property
    def sampling(self) -> Sampling:
        """The preset with the values that were given."""
        preset = PRESETS[self.sampling_preset]
        return Sampling(
            preset.steps if self.steps is None else self.steps,
            preset.guidance_scale if self.guidance_scale is None else self.guidance_scale,
            preset.flow_shift if self.flow_shift is None else self.flow_shift,
            cast(Sampler, preset.sampler if self.sampler is None else self.sampler),
        )


def parse_options(values: Mapping[str, object]) -> WanOptions:
    """The options of a request. Raises InputError naming the first bad one."""
    return parse(WanOptions, values)


def parse_lora(text: str) -> tuple[str, float]:
    """`path` or `path:strength`. Raises InputError where the strength is not a number."""
    path, colon, strength = text.rpartition(":")
    if not colon or "/" in strength or "\\" in strength or strength.endswith(".safetensors"):
        return text, 1.0
    try:
        return path, float(strength)
    except ValueError as err:
        raise InputError.about(
            {"options.lora": text},
            f"{strength!r} is not a strength",
            hint="write path or path:strength, e.g. lora.safetensors:0.8",
        ) from err
