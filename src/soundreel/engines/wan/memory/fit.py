"""What fits on a card: the model by which `--offload auto` decides and `soundreel plan` predicts.

The peak of a job is the greatest, over its stages, of

    weights on the device (`needs.Weights`, by offload level) + activations (`needs`, counted)

and it fits where peak + RESERVE is at most the free memory. Stages, in the order of the session:

    text         the text encoder; gone afterwards
    reference    the VAE's encoder on one picture
    sound        wav2vec2 on up to a minute; gone afterwards, unless the sound is longer
    sampling     the transformer; with level none, the VAE lies beside it
    decode       the VAE's decoder, latent by latent; with level none, the transformer beside it
    motion       the VAE's encoder on the 73 last pictures, where a chunk follows

The VAE works on tiles where it does not fit otherwise. Weights and activations are exact counts;
RESERVE is an assumption.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.needs import MOTION_LATENTS, Work
from soundreel.engines.wan.memory.offload import LEVELS, Level
from soundreel.errors import EngineUnavailable
from soundreel.timeline.grid import FRAMES_PER_LATENT

RESERVE = 2**30
"""Bytes left to the driver's context, library workspaces and the allocator's rounding. Assumed."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats of the two big models: "fp8_scaled", "bf16" or "fp16"."""

    transformer: str = "fp8_scaled"
    text_encoder: str = "fp8_scaled"


@dataclass(frozen=True, slots=True)
class Stage:
    """weights, activations: bytes on the device; flops: operations of one run of the stage;
    half: whether they run in bfloat16 (else in float32); bus: bytes copied to the device."""

    name: str
    weights: int
    activations: int
    flops: int
    half: bool
    bus: int = 0

    @property
    def peak(self) -> int:
        return self.weights + self.activations


@dataclass(frozen=True, slots=True)
class Fit:
    """How a job runs: its level, whether the VAE is tiled, and every stage."""

    level: Level
    tiled: bool
    stages: tuple[Stage, ...]

    @property
    def peak(self) -> int:
        """Bytes of the greediest stage, without RESERVE."""
        return max(stage.peak for stage in self.stages)

    @property
    def worst(self) -> Stage:
        return max(self.stages, key=lambda stage: stage.peak)

    def fits(self, free: int) -> bool:
        return self.peak + RESERVE <= free


def fit(work: Work, precision: Precision, free: int, level: Level | None = None) -> Fit:
    """The fastest way that fits into `free` bytes; of a given level, or else the most frugal way.

    Tiles blend at their seams, so they come last. The caller asks `fits(free)`.
    """
    levels = (level,) if level else LEVELS
    way = None
    for tiled in (False, True):
        for each in levels:
            way = Fit(each, tiled, stages(work, precision, each, tiled))
            if way.fits(free):
                return way
    assert way is not None
    return way


def stages(
    work: Work, precision: Precision, level: Level, tiled: bool = False
) -> tuple[Stage, ...]:
    """Every stage of a job, for one chunk of the greatest length."""
    return tuple(_stages(work, precision, level, tiled))


def _stages(work: Work, precision: Precision, level: Level, tiled: bool) -> Iterator[Stage]:
    stays = level == "none"
    transformer = needs.transformer_weights(precision.transformer)
    text, vae, audio = (
        needs.text_weights(precision.text_encoder),
        needs.vae_weights().all,
        needs.audio_weights().all,
    )
    beside_vae = vae if stays else 0
    counted = needs.text_count(precision.text_encoder)
    yield Stage("text", text.resident(level), counted.peak_bytes, counted.flops, True, text.all)
    if work.reference:
        counted = needs.encode_count(work, 1, tiled)
        yield Stage("reference", vae, counted.peak_bytes, counted.flops, False, vae)
    counted = needs.sound_count(work.sound_s)
    yield Stage("sound", audio + beside_vae, counted.peak_bytes, counted.flops, False, audio)
    counted = needs.step_count(work, precision.transformer)
    sampling = transformer.resident(level) + beside_vae
    bus = transformer.all - transformer.rest if level == "block" else 0
    yield Stage("sampling", sampling, counted.peak_bytes, counted.flops, True, bus)
    beside = transformer.all if stays else 0
    latents = work.latents[0] + (MOTION_LATENTS if work.motion else 1)
    counted = needs.decode_count(work, latents, tiled)
    yield Stage("decode", vae + beside, counted.peak_bytes, counted.flops, False)
    if work.motion:
        counted = needs.encode_count(work, MOTION_LATENTS, tiled)
        yield Stage("motion", vae + beside, counted.peak_bytes, counted.flops, False)


def remedies(work: Work, precision: Precision, free: int) -> list[str]:
    """What would fit instead, as options that a person can type; empty where nothing would."""
    found = [_fewer_frames(work, precision, free), _smaller(work, precision, free)]
    return [text for text in found if text]


def _fewer_frames(work: Work, precision: Precision, free: int) -> str:
    counts = range(16, work.frames, FRAMES_PER_LATENT)
    frames = _largest(counts, lambda n: replace(work, frames=n), precision, free)
    return f"--chunk-frames {frames} at {work.width}x{work.height}" if frames else ""


def _smaller(work: Work, precision: Precision, free: int) -> str:
    """The largest size of about the same shape, sides multiples of 16."""

    def sized(percent: int) -> Work:
        width, height = (side * percent // 1600 * 16 for side in (work.width, work.height))
        return replace(work, width=width, height=height)

    best = _largest(range(20, 100, 5), sized, precision, free)
    if not best:
        return ""
    return f"--size {sized(best).width}x{sized(best).height} with {work.frames} frames a chunk"


def _largest(
    values: Sequence[int], made: Callable[[int], Work], precision: Precision, free: int
) -> int:
    """The largest of rising values whose work fits in the most frugal way, 0 if none does."""
    fitting = bisect_left(values, True, key=lambda n: not _frugal(made(n), precision).fits(free))
    return values[fitting - 1] if fitting else 0


def _frugal(work: Work, precision: Precision) -> Fit:
    return Fit("block", True, stages(work, precision, "block", tiled=True))


def require(work: Work, precision: Precision, free: int, level: Level | None) -> Fit:
    """The way the job will run. Raises EngineUnavailable where it fits in no way."""
    way = fit(work, precision, free, level)
    if way.fits(free) or level is not None:
        return way
    raise EngineUnavailable(
        f"{work.width}x{work.height} in chunks of {work.frames} frames needs "
        f"{gib(way.peak + RESERVE)} even with --offload block (stage: {way.worst.name}), "
        f"{gib(free)} are free",
        hint=" or ".join(remedies(work, precision, free)) or "take a card with more memory",
    )


def gib(size: int) -> str:
    """12.3 GiB."""
    return f"{size / 2**30:.1f} GiB"
