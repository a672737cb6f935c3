"""Wan 2.2 S2V wherever it runs: its sizes, its files, and what the sampling presets mean.

Every engine that runs this model reads them here, so that one command asks for one thing whichever
engine is taken. Latents and pictures are converted in `timeline.grid`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from soundreel.errors import InputError, mention
from soundreel.timeline.grid import latents_for

PICTURE_RATE = 16
"""Pictures a second that the published weights make (Wan-Video/Wan2.2, wan/configs)."""

CHUNK_FRAMES = 80
"""Pictures of one inference pass (wan/speech2video.py, `infer_frames`)."""

DROPPED_FRAMES = 3
"""Pictures at the head of a shot that Wan's own code throws away (wan/speech2video.py). In ComfyUI
the first latent of a shot gives one picture instead of four: three slots give none."""

MOTION_FRAMES = 73
"""Pictures before a chunk that it goes on from (wan/configs/wan_s2v_14B.py)."""

MOTION_LATENTS = latents_for(MOTION_FRAMES)
"""19."""

SIZE_MULTIPLE = 16
"""A token is 2x2 latents, a latent 8x8 pixels."""

BEST_AREA = 1280 * 720
"""Pixels of the largest pictures that it is published for (Wan-Video/Wan2.2, wan/configs)."""

LEAST_SIDE = 64
"""Motion is packed in blocks of 8x8 latents."""

TEXT_TOKENS = 512
"""Longest prompt (wan/configs/shared_config.py, `text_len`)."""

SAMPLE_RATE = 16000
"""Of the sound that wav2vec2 hears."""


class MotionScale(NamedTuple):
    """One of the three resolutions that past frames are packed at.

    frames: latent frames taken.    kernel: patch of the convolution (time, height, width).
    first_time: how many latent frames before the chunk the oldest of them lies.
    """

    frames: int
    kernel: tuple[int, int, int]
    first_time: int


MOTION_SCALES = (
    MotionScale(frames=1, kernel=(1, 2, 2), first_time=1),
    MotionScale(frames=2, kernel=(2, 4, 4), first_time=3),
    MotionScale(frames=16, kernel=(4, 8, 8), first_time=19),
)
"""Nearest first: `zip_frame_buckets` [1, 2, 16] and the convolutions of `FramePackMotioner`."""


# --- files --------------------------------------------------------------------------------------

REPO = "Comfy-Org/Wan_2.2_ComfyUI_Repackaged"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of `REPO`; folder: where it belongs under ComfyUI's models/, and lies in the repo."""

    name: str
    folder: str


TRANSFORMER = WeightFile("wan2.2_s2v_14B_fp8_scaled.safetensors", "diffusion_models")
TEXT_ENCODER = WeightFile("umt5_xxl_fp8_e4m3fn_scaled.safetensors", "text_encoders")
VAE = WeightFile("wan_2.1_vae.safetensors", "vae")
AUDIO_ENCODER = WeightFile("wav2vec2_large_english_fp16.safetensors", "audio_encoders")
FEW_STEP_LORA = WeightFile("wan2.2_t2v_lightx2v_4steps_lora_v1.1_high_noise.safetensors", "loras")


# --- LoRAs --------------------------------------------------------------------------------------

NO_LORA = "none"


@dataclass(frozen=True, slots=True)
class Lora:
    """name: a file's name or path, as the engine finds it. strength: 1 is as trained."""

    name: str
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.name}:{self.strength}"


def parse_loras(texts: tuple[str, ...]) -> tuple[Lora, ...]:
    """Each `NAME` or `NAME:STRENGTH`; `none` alone means no LoRA. Raises InputError."""
    return () if texts == (NO_LORA,) else tuple(_parse_lora(text) for text in texts)


def _parse_lora(text: str) -> Lora:
    """A colon may also stand behind a drive's letter."""
    name, colon, strength = text.rpartition(":")
    if not colon or "/" in strength or "\\" in strength or strength.endswith(".safetensors"):
        return Lora(text)
    try:
        value = float(strength)
    except ValueError:
        value = math.nan
    if not name or not math.isfinite(value):
        raise InputError.about(
            {"options.lora": text},
            f"{strength!r} is not a strength",
            hint=f"write e.g. my_lora.safetensors:0.8, or {NO_LORA}",
        )
    return Lora(name, value)


# --- sampling -----------------------------------------------------------------------------------

SAMPLERS = ("unipc", "dpm++", "euler")
"""The words for solvers; each engine maps them to its own."""

_SPELLINGS = {"uni_pc": "unipc", "dpmpp": "dpm++", "dpmpp_2m": "dpm++"}


def sampler_word(text: str) -> str:
    """The word for a solver from any of its spellings; others stay as they are."""
    return _SPELLINGS.get(text, text)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a chunk is sampled.

    guidance_scale: 1 means none and runs the model once a step, else twice. flow_shift: bends the
    sigma ladder. sampler: one of SAMPLERS, or a word that only the engine knows. fps: rate of the
    pictures that come out.
    """

    steps: int
    guidance_scale: float
    flow_shift: float
    sampler: str
    loras: tuple[Lora, ...] = ()
    fps: Fraction = Fraction(PICTURE_RATE)


PresetName = Literal["fast", "quality", "official"]

PRESETS: Mapping[PresetName, Sampling] = {
    # The setting that the few-step LoRA was distilled with (ModelTC/Wan2.2-Lightning): 4 steps,
    # shift 5, no guidance (wan/configs/wan_t2v_A14B.py), by Euler's method (generate.py warns of
    # any other), which gives the timesteps of its training, 1000, 937.5, 833.3, 625 (issue 3);
    # alpha / rank as the file has it, no factor on top (wan/utils/utils.py). ComfyUI's S2V workflow
    # runs it at strength 1 with uni_pc at shift 8, which are its values for 20 steps: a few-step
    # LoRA has learned a few sigmas, and those are the ones to take.
    "fast": Sampling(4, 1.0, 5.0, "euler", (Lora(FEW_STEP_LORA.name),)),
    # ComfyUI's published S2V workflow without the LoRA.
    "quality": Sampling(20, 6.0, 8.0, "unipc"),
    # Wan-Video/Wan2.2, wan/configs/wan_s2v_14B.py.
    "official": Sampling(40, 4.5, 3.0, "unipc"),
}

DEFAULT_PRESET: PresetName = "fast"
"""4 passes of the model a chunk, where official takes 80: a first video in minutes on one card. Its
LoRA comes with `soundreel models pull`, and with ComfyUI's own S2V workflow."""


# --- sizes --------------------------------------------------------------------------------------


def check_size(width: int, height: int) -> None:
    """Raises InputError: a wrong size would fail late, in the middle of the run."""
    if width % SIZE_MULTIPLE or height % SIZE_MULTIPLE or min(width, height) < LEAST_SIDE:
        raise InputError.about(
            {"width": width, "height": height},
            f"Wan 2.2 needs multiples of {SIZE_MULTIPLE}, at least {LEAST_SIDE} pixels a side",
            hint=f"try {mention(width=_legal(width), height=_legal(height))}",
        )


def _legal(side: int) -> int:
    return max(LEAST_SIDE, round(side / SIZE_MULTIPLE) * SIZE_MULTIPLE)
