"""Options of the wan engine: light, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from soundreel.engines.base import parse_options as parse
from soundreel.engines.wan22 import (
    CHUNK_FRAMES,
    FEW_STEP_LORA,
    SAMPLERS,
    Lora,
    PresetName,
    Sampling,
)
from soundreel.engines.wan22_options import SamplingOptions
from soundreel.timeline.grid import FRAMES_PER_LATENT


class WanOptions(SamplingOptions):
    """What `--engine wan` understands."""

    PRESETS_0_1: ClassVar[Mapping[PresetName, Sampling]] = {
        "fast": Sampling(4, 1.0, 5.0, "euler", (Lora(FEW_STEP_LORA.name),)),
        "quality": Sampling(20, 6.0, 8.0, "unipc"),
        "official": Sampling(40, 4.5, 3.0, "unipc"),
    }
    DEFAULT_0_1: ClassVar[PresetName] = "official"

    init_first_frame: bool = Field(
        default=False, description="begin the video with the reference image itself"
    )
    pose_video: Path | None = Field(
        default=None, description="video of pose pictures that the motion follows"
    )
    chunk_frames: int = Field(
        default=CHUNK_FRAMES,
        ge=8,
        le=160,
        multiple_of=FRAMES_PER_LATENT,
        description="most pictures in one inference pass",
    )
    offload: Literal["auto", "none", "model", "block"] = Field(
        default="auto",
        description="what waits in main memory: nothing, whole models, or transformer blocks",
    )
    attention: Literal["auto", "native", "flash", "flash3", "sage"] = Field(
        default="auto",
        description="kernel of self-attention: torch's own (auto, native), or an installed one",
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
        if value is not None and value not in SAMPLERS:
            known = ", ".join(SAMPLERS)
            raise PydanticCustomError("sampler", "choose one of: {known}", {"known": known})
        return value


def parse_options(values: Mapping[str, object]) -> WanOptions:
    """The options of a request. Raises InputError naming the first bad one."""
    return parse(WanOptions, values)
