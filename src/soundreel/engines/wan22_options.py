"""The sampling options of Wan 2.2 S2V, the same under every engine that runs it.

A record carries what they came to (`resolved`), so that a later table of presets changes no video
that is made again from its record (`recall`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from soundreel.engines.base import parse_options
from soundreel.engines.wan22 import (
    DEFAULT_PRESET,
    NO_LORA,
    PRESETS,
    Lora,
    PresetName,
    Sampling,
    parse_loras,
    sampler_word,
)
from soundreel.errors import InputError

Steps = Annotated[int | None, Field(ge=1, le=1000, description="sampling steps")]
FlowShift = Annotated[
    float | None,
    Field(gt=0, le=100, description="shift of the sigma ladder: more works on the layout"),
]
SamplerWord = Annotated[
    str | None,
    Field(description="unipc, dpm++ or euler; a ComfyUI server knows more"),
    AfterValidator(lambda value: value and sampler_word(value)),
]


class Recorded(BaseModel):
    """Sampling options of either model. What is not given takes the preset's value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def resolved(self) -> dict[str, object]:
        """All that they decide, by the options that would give it."""
        raise NotImplementedError

    def recorded(self) -> str:
        """`resolved` as the record holds it: JSON."""
        return json.dumps(self.resolved(), ensure_ascii=False)


class SamplingOptions(Recorded):
    PRESETS_0_1: ClassVar[Mapping[PresetName, Sampling]]
    DEFAULT_0_1: ClassVar[PresetName]
    """What this engine's presets were in 0.1.0, whose records name the preset alone."""
    PER_SHOT: ClassVar[frozenset[str]] = frozenset(
        {"steps", "guidance_scale", "flow_shift", "sampler"}
    )
    """See `engines.base.Engine.Options`: what needs no other weights."""

    sampling_preset: PresetName = Field(
        default=DEFAULT_PRESET,
        description="steps, guidance, shift, sampler and LoRA together: fast (4 steps with a "
        "few-step LoRA; the default), quality (20 steps), official (40 steps)",
    )
    steps: Steps = None
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="how strongly prompt and sound act; 1 means no guidance, and is twice as fast",
    )
    flow_shift: FlowShift = None
    sampler: SamplerWord = None
    lora: tuple[str, ...] = Field(
        default=(),
        description="LoRA files as NAME:STRENGTH (strength 1 if left out), instead of the "
        "preset's; or none",
    )

    @property
    def sampling(self) -> Sampling:
        """The preset with the values that were given. Raises InputError for a LoRA's strength."""
        return self._over(PRESETS)

    def resolved(self, presets: Mapping[PresetName, Sampling] = PRESETS) -> dict[str, object]:
        sampling = self._over(presets)
        return {
            "sampling_preset": self.sampling_preset,
            "steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "flow_shift": sampling.flow_shift,
            "sampler": sampling.sampler,
            "lora": [without_place(lora) for lora in sampling.loras] or [NO_LORA],
        }

    @classmethod
    def recall(
        cls, options: Mapping[str, object], engine: Mapping[str, object], given: Collection[str]
    ) -> dict[str, object]:
        """See `engines.base.Recalling`. A preset that is `given` brings its own values."""
        if "sampling_preset" in given:
            return dict(options)
        then = read_sampling(engine["sampling"]) if "sampling" in engine else None
        if then is None:
            named = {"sampling_preset": cls.DEFAULT_0_1, **options}
            then = parse_options(cls, named).resolved({**PRESETS, **cls.PRESETS_0_1})
        return recalled(cls, options, then)

    def _over(self, presets: Mapping[PresetName, Sampling]) -> Sampling:
        preset = presets[self.sampling_preset]
        return Sampling(
            preset.steps if self.steps is None else self.steps,
            preset.guidance_scale if self.guidance_scale is None else self.guidance_scale,
            preset.flow_shift if self.flow_shift is None else self.flow_shift,
            self.sampler or preset.sampler,
            parse_loras(self.lora) if self.lora else preset.loras,
            preset.fps,
        )


def recalled(
    model: type[Recorded], options: Mapping[str, object], then: Mapping[str, object]
) -> dict[str, object]:
    """The options such that they come to what they came to `then`."""
    preset = then.get("sampling_preset", DEFAULT_PRESET)
    if "sampling_preset" not in options and preset != DEFAULT_PRESET:
        options = {"sampling_preset": preset, **options}
    now = parse_options(model, options).resolved()
    changed = {name: value for name, value in then.items() if now.get(name) != value}
    return {**options, **changed}


def read_sampling(sampling: object) -> Mapping[str, object]:
    """What `recorded` wrote. Raises InputError."""
    try:
        found = json.loads(str(sampling))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"the record of this video cannot be used: its sampling is {sampling!r}",
            hint="it was made by another version; give the options by hand",
        )
    return found


def without_place(lora: Lora) -> str:
    """As the record shows files: by name, where a place on this machine was given."""
    path = PurePath(lora.name)
    return str(Lora(path.name, lora.strength) if path.is_absolute() else lora)
