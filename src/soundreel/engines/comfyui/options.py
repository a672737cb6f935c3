"""Options of the ComfyUI engine. Light: the command line reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from soundreel.engines.base import parse_options
from soundreel.engines.comfyui.graphs.i2v_graph import ImageModels
from soundreel.engines.comfyui.graphs.presets import SCHEDULER, Models
from soundreel.engines.wan22 import FEW_STEP_LORA, PRESETS, Lora, PresetName, Sampling
from soundreel.engines.wan22_i2v import EXPERTS, Expert
from soundreel.engines.wan22_i2v_options import ImageSamplingOptions
from soundreel.engines.wan22_options import SamplingOptions
from soundreel.errors import InputError, mention
from soundreel.types import Request


class ComfyUIOptions(SamplingOptions):
    """What is not given follows the preset, or the user's own workflow."""

    PRESETS_0_1: ClassVar[Mapping[PresetName, Sampling]] = {
        "fast": Sampling(4, 1.0, 8.0, "unipc", (Lora(FEW_STEP_LORA.name),)),
        "quality": Sampling(20, 6.0, 8.0, "unipc"),
    }
    DEFAULT_0_1: ClassVar[PresetName] = "fast"

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

    @property
    def noise_schedule(self) -> str:
        return self.scheduler or SCHEDULER

    def resolved(self, presets: Mapping[PresetName, Sampling] = PRESETS) -> dict[str, object]:
        return {**super().resolved(presets), "scheduler": self.noise_schedule}

    @classmethod
    def recall(
        cls, options: Mapping[str, object], engine: Mapping[str, object], given: Collection[str]
    ) -> dict[str, object]:
        """A workflow keeps its own values: it lies beside the video, and its hash in the record."""
        if options.get("workflow") is not None:
            return dict(options)
        return super().recall(options, engine, given)


class ComfyUIImageOptions(ImageSamplingOptions):
    """What is not given follows the preset."""

    scheduler: str | None = Field(default=None, description="noise schedule, e.g. simple")
    model_high: str | None = Field(
        default=None, description="I2V model file for high noise on the server"
    )
    model_low: str | None = Field(
        default=None, description="I2V model file for low noise on the server"
    )
    text_encoder: str | None = Field(default=None, description="text encoder file on the server")
    vae: str | None = Field(default=None, description="VAE file on the server")
    film_model: str | None = Field(
        default=None,
        description=f"frame interpolation file on the server, for {mention(interpolate='film')}",
    )

    def models(self) -> ImageModels:
        default = ImageModels()
        named: dict[Expert, str | None] = {"high": self.model_high, "low": self.model_low}
        return ImageModels(
            {expert: named[expert] or default.transformers[expert] for expert in EXPERTS},
            self.text_encoder or default.text_encoder,
            self.vae or default.vae,
        )

    @property
    def noise_schedule(self) -> str:
        return self.scheduler or SCHEDULER

    def resolved(self) -> dict[str, object]:
        return {**super().resolved(), "scheduler": self.noise_schedule}


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
