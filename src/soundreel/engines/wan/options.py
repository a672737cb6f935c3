"""Options of the wan engine: light, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from soundreel.engines.base import parse_options as parse
from soundreel.engines.base import shot_options
from soundreel.engines.wan.sampling.passes import (
    CACHES,
    LEAST_STEPS,
    Caching,
    Guidance,
    Interval,
    always_computed,
    parse_interval,
)
from soundreel.engines.wan22 import (
    CHUNK_FRAMES,
    FEW_STEP_LORA,
    SAMPLERS,
    Lora,
    PresetName,
    Sampling,
)
from soundreel.engines.wan22_options import SamplingOptions
from soundreel.errors import InputError, mention
from soundreel.timeline.grid import FRAMES_PER_LATENT
from soundreel.types import Plan, Shot


class WanOptions(SamplingOptions):
    """What `--engine wan` understands."""

    PRESETS_0_1: ClassVar[Mapping[PresetName, Sampling]] = {
        "fast": Sampling(4, 1.0, 5.0, "euler", (Lora(FEW_STEP_LORA.name),)),
        "quality": Sampling(20, 6.0, 8.0, "unipc"),
        "official": Sampling(40, 4.5, 3.0, "unipc"),
    }
    DEFAULT_0_1: ClassVar[PresetName] = "official"

    PER_SHOT: ClassVar[frozenset[str]] = SamplingOptions.PER_SHOT | {
        "audio_strength",
        "audio_guidance",
    }

    audio_strength: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="how strongly the sound acts: 1 as trained, 0 not at all; useful from 0.8 "
        "to 1.5",
    )
    audio_guidance: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="guidance of the sound apart from the prompt's, e.g. 6: a third pass a step, "
        "or a second one where the prompt has none",
    )
    guidance_interval: str | None = Field(
        default=None,
        description="guidance in a part of the steps only, START:END as shares of all (e.g. "
        "0:0.5): a step outside takes one pass",
    )
    cache: Literal["off", "fast", "faster"] = Field(
        default="off",
        description="leave out sampling steps that change little: off, fast, faster; for 10 "
        "steps and more",
    )
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
        description="most pictures in one part, which is made in one go",
    )
    offload: Literal["auto", "none", "model", "block"] = Field(
        default="auto",
        description="what waits in main memory: nothing, whole models, or transformer blocks",
    )
    carry_decoder: bool = Field(
        default=False,
        description="decode each part from where the one before it ended, instead of its motion "
        "again: half the decoding, but nobody has judged the pictures yet",
    )
    attention: Literal["auto", "native", "flash", "flash3", "sage"] = Field(
        default="auto",
        description="kernel of self-attention: torch's own (auto, native), or an installed one",
    )
    matmul: Literal["auto", "exact", "int8", "fp8"] = Field(
        default="auto",
        description="products with quantised weights: restored ones (exact); int8 of int8 files, "
        "0.8% off, as auto does on a card; fp8 of fp8 files, 2.7% off: others report that this "
        "model bears it badly",
    )
    compile: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="compile the model's blocks first, minutes once for a few percent of speed; "
        "auto: on a card, where it likely pays back within the job",
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

    @field_validator("guidance_interval")
    @classmethod
    def _two_shares(cls, value: str | None) -> str | None:
        try:
            return value if value is None else (parse_interval(value), value)[1]
        except ValueError:
            raise PydanticCustomError(
                "interval", "give two rising shares of the steps as START:END, e.g. 0.1:0.6"
            ) from None

    @property
    def guided_steps(self) -> tuple[bool, ...]:
        """Of each sampling step, whether it is guided: whether it takes more than one pass."""
        steps = self.sampling.steps
        return self._interval.guided(steps) if self.guidance else (False,) * steps

    @property
    def guidance(self) -> tuple[Guidance, ...]:
        """The passes that a guided step takes beside that of the prompt with the sound, from that
        with most of both to that with least; () without guidance."""
        text = max(1.0, self.sampling.guidance_scale)
        sound = text if self.audio_guidance is None else self.audio_guidance
        if sound == text:  # then the pass between them falls out
            return (Guidance("nothing", text),) if text > 1 else ()
        apart = Guidance("prompt", sound)
        return (apart, Guidance("nothing", text)) if text > 1 else (apart,)

    @property
    def guides_text(self) -> bool:
        """Whether the negative prompt is used."""
        return any(each.keeps == "nothing" for each in self.guidance) and any(self.guided_steps)

    @property
    def passes(self) -> int:
        """Of the transformer, for a chunk."""
        return self.sampling.steps + len(self.guidance) * sum(self.guided_steps)

    @property
    def passes_a_step(self) -> int:
        """Of a step that takes the most."""
        return 1 + len(self.guidance) * any(self.guided_steps)

    @property
    def least_passes(self) -> int:
        """Those of `passes` that are computed whatever a step cache does."""
        if self.caching is None:
            return self.passes
        kept = zip(self.guided_steps, always_computed(self.sampling.steps), strict=True)
        return sum(1 + len(self.guidance) * guided for guided, always in kept if always)

    @property
    def caching(self) -> Caching | None:
        return CACHES.get(self.cache)

    @property
    def _interval(self) -> Interval:
        return (
            Interval() if self.guidance_interval is None else parse_interval(self.guidance_interval)
        )


def parse_options(values: Mapping[str, object]) -> WanOptions:
    """The options of a request. Raises InputError naming the first bad one."""
    options = parse(WanOptions, values)
    _check_interval(options)
    _check_cache(options)
    return options


def _check_cache(options: WanOptions) -> None:
    """Raises InputError where a step cache makes no sense."""
    steps = options.sampling.steps
    if options.caching is not None and steps < LEAST_STEPS:
        raise InputError.about(
            {"options.cache": options.cache},
            f"{steps} steps are too few: each differs too much from the last to stand for it",
            hint=f"take at least {mention(steps=LEAST_STEPS)}, or {mention(cache='off')}",
        )


def options_of(plan: Plan, shot: Shot, options: WanOptions) -> WanOptions:
    """Those of a shot; `options` are those of the whole request."""
    return shot_options(WanOptions, plan, shot, options)


def _check_interval(options: WanOptions) -> None:
    """Raises InputError for an interval in which nothing is guided."""
    sampling, interval = options.sampling, options.guidance_interval
    if options._interval == Interval() or any(options.guided_steps):
        return
    if not options.guidance:
        raise InputError.about(
            {"options.guidance_interval": interval},
            f"there is no guidance to limit: {mention(guidance_scale=sampling.guidance_scale)}",
            hint=f"give a greater {mention('guidance_scale')}, or leave the interval out",
        )
    raise InputError.about(
        {"options.guidance_interval": interval},
        f"no step of {sampling.steps} lies inside: step n begins at (n - 1)/{sampling.steps}",
        hint=f"widen it, or take {mention(guidance_scale=1)} for no guidance at all",
    )
