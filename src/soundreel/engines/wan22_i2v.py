"""Wan 2.2 I2V wherever it runs: its files, its sizes, and what the sampling presets mean.

Two transformers share the work: one takes the noisy steps, where the layout is made, the other the
fine ones. As for S2V (`wan22`), one command asks for one thing whichever engine is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from soundreel.engines.wan22 import (
    BEST_AREA,
    LEAST_SIDE,
    PICTURE_RATE,
    SIZE_MULTIPLE,
    Lora,
    PresetName,
    WeightFile,
)
from soundreel.timeline.grid import FRAMES_PER_LATENT
from soundreel.types import ChunkGeometry

Expert = Literal["high", "low"]

EXPERTS: tuple[Expert, ...] = ("high", "low")
"""The transformers, in the order in which they work: of high noise, then of low noise."""

BOUNDARY = Fraction(9, 10)
"""The noise level (sigma) from which on downwards the second one works, as it was trained
(Wan-Video/Wan2.2, wan/configs/wan_i2v_A14B.py, `boundary`)."""

PASS_FRAMES = 81
"""Pictures of one pass at most, the one that it begins with among them (`frame_num` there)."""

GEOMETRY = ChunkGeometry(
    fps=Fraction(PICTURE_RATE),
    chunk_frames=PASS_FRAMES - 1,
    grid=FRAMES_PER_LATENT,
    size_multiple=SIZE_MULTIPLE,
    least_side=LEAST_SIDE,
    best_area=BEST_AREA,
    head_frames=1,
    even_passes=True,
)
"""The first picture of a pass is a latent of its own: in a shot's first pass it is the one that is
given, and kept; in each later one it is the last picture of the pass before, and kept there."""

TRANSFORMERS: Mapping[Expert, WeightFile] = {
    "high": WeightFile("wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors", "diffusion_models"),
    "low": WeightFile("wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors", "diffusion_models"),
}
"""In `wan22.REPO`."""

FEW_STEP_LORAS: Mapping[Expert, WeightFile] = {
    "high": WeightFile("wan2.2_i2v_lightx2v_4steps_lora_v1_high_noise.safetensors", "loras"),
    "low": WeightFile("wan2.2_i2v_lightx2v_4steps_lora_v1_low_noise.safetensors", "loras"),
}
"""So too; each for its own transformer."""

Loras = Mapping[Expert, tuple[Lora, ...]]

NO_LORAS: Loras = MappingProxyType({"high": (), "low": ()})


@dataclass(frozen=True, slots=True)
class ImageSampling:
    """How a pass is sampled; what is not said here is as in `wan22.Sampling`.

    split_step: how many steps the first transformer takes; None: those above BOUNDARY.
    """

    steps: int
    guidance_scale: float
    flow_shift: float
    sampler: str
    split_step: int | None = None
    loras: Loras = field(default_factory=lambda: NO_LORAS)
    fps: Fraction = Fraction(PICTURE_RATE)

    @property
    def high_steps(self) -> int:
        """How many steps the first transformer takes, between 0 and all."""
        if self.split_step is not None:
            return self.split_step
        return steps_above(BOUNDARY, self.steps, self.flow_shift)


def steps_above(level: Fraction, steps: int, shift: float) -> int:
    """How many of the steps begin at a noise level of at least `level`.

    The ladder is even, from 1 to 0, until the shift bends it: sigma = shift e / (1 + (shift - 1) e)
    """
    bend = Fraction(shift).limit_denominator(10**6)
    even = level / (bend - (bend - 1) * level)  # the shift undone
    return sum(1 - Fraction(step, steps) >= even for step in range(steps))


PRESETS: Mapping[PresetName, ImageSampling] = {
    # ComfyUI's published workflow (Comfy-Org/workflow_templates, video_wan2_2_14B_i2v.json) with
    # its 4-step LoRAs: the steps of their training, as for S2V's; 2 of them lie above BOUNDARY.
    "fast": ImageSampling(
        4,
        1.0,
        5.0,
        "euler",
        2,
        MappingProxyType({expert: (Lora(FEW_STEP_LORAS[expert].name),) for expert in EXPERTS}),
    ),
    # The same workflow without them.
    "quality": ImageSampling(20, 3.5, 5.0, "euler", 10),
    # Wan-Video/Wan2.2, wan/configs/wan_i2v_A14B.py.
    "official": ImageSampling(40, 3.5, 5.0, "unipc"),
}
