"""The sampling options of Wan 2.2 I2V, the same under every engine that runs it; recorded and read
again as those of S2V (`wan22_options`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import Field

from soundreel.engines.wan22 import (
    DEFAULT_PRESET,
    NO_LORA,
    Lora,
    PresetName,
    parse_loras,
)
from soundreel.engines.wan22_i2v import PRESETS, ImageSampling
from soundreel.engines.wan22_options import (
    FlowShift,
    Recorded,
    SamplerWord,
    Steps,
    read_sampling,
    recalled,
    without_place,
)
from soundreel.errors import InputError

_LORA_WORDS = "as NAME:STRENGTH (strength 1 if left out), instead of the preset's; or none"


class ImageSamplingOptions(Recorded):
    sampling_preset: PresetName = Field(
        default=DEFAULT_PRESET,
        description="steps, guidance, shift, sampler and LoRAs together: fast (4 steps with "
        "few-step LoRAs; the default), quality (20 steps), official (40 steps)",
    )
    steps: Steps = None
    split_step: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="steps of the high-noise model, the low-noise one takes the rest; else the "
        "preset's, or with other steps or another shift those above noise level 0.9",
    )
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="how strongly the prompt acts; 1 means no guidance, and is twice as fast",
    )
    flow_shift: FlowShift = None
    sampler: SamplerWord = None
    lora_high: tuple[str, ...] = Field(
        default=(), description=f"LoRA files of the high-noise model {_LORA_WORDS}"
    )
    lora_low: tuple[str, ...] = Field(
        default=(), description=f"LoRA files of the low-noise model {_LORA_WORDS}"
    )

    @property
    def sampling(self) -> ImageSampling:
        """The preset with the values that were given. Raises InputError for a LoRA's strength, or
        more steps of the first model than there are."""
        preset = PRESETS[self.sampling_preset]
        as_preset = self.steps is None and self.flow_shift is None
        steps = preset.steps if self.steps is None else self.steps
        if self.split_step is not None and self.split_step > steps:
            raise InputError.about(
                {"options.split_step": self.split_step},
                f"there are {steps} steps",
                hint=f"give 0 to {steps}, or leave it out",
            )
        return ImageSampling(
            steps,
            preset.guidance_scale if self.guidance_scale is None else self.guidance_scale,
            preset.flow_shift if self.flow_shift is None else self.flow_shift,
            self.sampler or preset.sampler,
            preset.split_step if self.split_step is None and as_preset else self.split_step,
            {
                "high": _loras(self.lora_high, preset.loras["high"]),
                "low": _loras(self.lora_low, preset.loras["low"]),
            },
            preset.fps,
        )

    def resolved(self) -> dict[str, object]:
        sampling = self.sampling
        return {
            "sampling_preset": self.sampling_preset,
            "steps": sampling.steps,
            "split_step": sampling.high_steps,
            "guidance_scale": sampling.guidance_scale,
            "flow_shift": sampling.flow_shift,
            "sampler": sampling.sampler,
            "lora_high": _named(sampling.loras["high"]),
            "lora_low": _named(sampling.loras["low"]),
        }

    @classmethod
    def recall(
        cls, options: Mapping[str, object], engine: Mapping[str, object], given: Collection[str]
    ) -> dict[str, object]:
        """See `engines.base.Recalling`. A preset that is `given` brings its own values."""
        if "sampling_preset" in given or "sampling" not in engine:
            return dict(options)
        return recalled(cls, options, read_sampling(engine["sampling"]))


def _loras(given: tuple[str, ...], preset: tuple[Lora, ...]) -> tuple[Lora, ...]:
    return parse_loras(given) if given else preset


def _named(loras: tuple[Lora, ...]) -> list[str]:
    return [without_place(lora) for lora in loras] or [NO_LORA]
