"""Options of the wan engine for image to video: light, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from soundreel.engines.wan22 import SAMPLERS
from soundreel.engines.wan22_i2v import EXPERTS, PASS_FRAMES, Expert
from soundreel.engines.wan22_i2v_options import ImageSamplingOptions
from soundreel.timeline.grid import FRAMES_PER_LATENT

_NAMED = "a file name in the models folders, or a path"


class WanImageOptions(ImageSamplingOptions):
    """What `--engine wan` understands."""

    chunk_frames: int = Field(
        default=PASS_FRAMES - 1,
        ge=8,
        le=160,
        multiple_of=FRAMES_PER_LATENT,
        description="most pictures in one part, which is made in one go, beside the one that it "
        "begins with",
    )
    offload: Literal["auto", "none", "model", "block"] = Field(
        default="auto",
        description="what waits in main memory: nothing but the other of the two models, whole "
        "models, or transformer blocks",
    )
    attention: Literal["auto", "native", "flash", "flash3", "sage"] = Field(
        default="auto",
        description="kernel of self-attention: torch's own (auto, native), or an installed one",
    )
    model_high: str | None = Field(default=None, description=f"the high-noise model: {_NAMED}")
    model_low: str | None = Field(default=None, description=f"the low-noise model: {_NAMED}")
    preview_steps: int = Field(
        default=0, ge=0, description="send a small preview picture every N sampling steps; 0: none"
    )

    @field_validator("sampler")
    @classmethod
    def _known_sampler(cls, value: str | None) -> str | None:
        if value is not None and value not in SAMPLERS:
            known = ", ".join(SAMPLERS)
            raise PydanticCustomError("sampler", "choose one of: {known}", {"known": known})
        return value

    @property
    def guided(self) -> bool:
        """Whether a step takes two passes."""
        return self.sampling.guidance_scale > 1

    @property
    def legs(self) -> Mapping[Expert, slice]:
        """The steps of each transformer that has any, in their order."""
        high = self.sampling.high_steps
        legs: dict[Expert, slice] = {"high": slice(0, high), "low": slice(high, None)}
        return {expert: legs[expert] for expert in EXPERTS if self.passes_of(expert)}

    @property
    def passes(self) -> int:
        """Of both transformers, for a part."""
        return sum(self.passes_of(expert) for expert in EXPERTS)

    def passes_of(self, expert: Expert) -> int:
        sampling = self.sampling
        high = sampling.high_steps
        steps = high if expert == "high" else sampling.steps - high
        return steps * (1 + self.guided)
