"""What fits on a card: the model by which `--offload auto` decides and `soundreel plan` predicts.

The peak of a job is the greatest, over its stages, of

    weights on the device (`needs.Weights`, by offload level) + activations (`needs`, counted)

and it fits where peak + RESERVE is at most the free memory. Stages, in the order of the session:

    text         the text encoder; gone afterwards
    reference    the VAE's encoder on one picture
    sound        wav2vec2 on up to a minute; gone afterwards, unless the sound is longer
    sampling     the transformer; with level none, the VAE lies beside it, and what its decoder
                 carries to the next chunk
    decode       the VAE's decoder, latent by latent; with level none, the transformer beside it
    motion       the VAE's encoder on the 73 last pictures, where a chunk follows

Where that does not fit, the transformer attends in slices of its queries; where that does not, the
VAE works on tiles, on the largest that fit: encoder and decoder each on its own. Weights and
activations are exact counts; RESERVE is an assumption.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from soundreel.engines.wan.encoders.tiles import (
    FINEST,
    SMALLEST,
    WHOLE,
    TileSize,
    Tiling,
    tile_sizes,
)
from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.needs import (
    OFFLOAD_LEVELS,
    Count,
    OffloadLevel,
    Precision,
    StageNeeds,
    Workload,
)
from soundreel.engines.wan22 import SIZE_MULTIPLE
from soundreel.errors import EngineUnavailable, mention
from soundreel.timeline.grid import FRAMES_PER_LATENT, floor_to

RESERVE = 2**30
"""Bytes left to the driver's context, library workspaces and the allocator's rounding. Assumed."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a job runs: its level, the VAE's tiles, and every stage; and whether self-attention is in
    slices."""

    level: OffloadLevel
    tiling: Tiling
    stages: tuple[StageNeeds, ...]
    in_slices: bool = False

    @property
    def told(self) -> str:
        """The way in a few words."""
        tiles = "" if self.tiling.whole else ", VAE in tiles"
        return f"{self.level}{tiles}{', attention in slices' if self.in_slices else ''}"

    @property
    def peak(self) -> int:
        """Bytes of the greediest stage, without RESERVE."""
        return max(stage.peak for stage in self.stages)

    @property
    def sampling_flops(self) -> float:
        """Of one pass of the transformer."""
        return next(stage.flops for stage in self.stages if stage.name == "sampling")

    @property
    def worst(self) -> StageNeeds:
        return max(self.stages, key=lambda stage: stage.peak)

    def fits(self, free: int) -> bool:
        return self.peak + RESERVE <= free


def fit(
    workload: Workload, precision: Precision, free: int, level: OffloadLevel | None = None
) -> Fit:
    """The fastest way that fits into `free` bytes; of a given level, or else the most frugal way.

    Slices change no number and hardly the speed, but nobody has timed them on a card, so they come
    after the levels. Tiles blend at their seams, so they come last. The caller asks `fits(free)`.
    """
    for in_tiles in (False, True):
        for work in workload.ways_to_attend:
            for each in (level,) if level else OFFLOAD_LEVELS:
                way = _way(work, precision, each, WHOLE)
                if in_tiles:
                    way = _way(work, precision, each, _largest_tiles(work, way, free))
                if way.fits(free):
                    return way
    return way


def _way(workload: Workload, precision: Precision, level: OffloadLevel, tiling: Tiling) -> Fit:
    stages = stage_needs(workload, precision, level, tiling)
    return Fit(level, tiling, stages, workload.in_slices)


def stage_needs(
    workload: Workload, precision: Precision, level: OffloadLevel, tiling: Tiling = WHOLE
) -> tuple[StageNeeds, ...]:
    """Every stage of a job, for one chunk of the greatest length."""
    return tuple(workload.stages(precision, level, tiling))


def _largest_tiles(workload: Workload, whole: Fit, free: int) -> Tiling:
    """Those with the least work of those that fit; the smallest where none does."""
    _, height, width = workload.latents
    sizes = tile_sizes(height, width)
    weights = next(stage.weights for stage in whole.stages if stage.name == "decode")
    room = free - RESERVE - weights
    encoded = partial(needs.encode_count, workload, workload.encoded)
    decoded = partial(needs.decode_count, workload, workload.latents[0])
    return Tiling(_first_within(room, sizes, encoded), _first_within(room, sizes, decoded))


def _first_within(
    room: int, sizes: Sequence[TileSize], counted: Callable[[TileSize], Count]
) -> TileSize:
    return next((size for size in sizes if counted(size).peak_bytes <= room), SMALLEST)


def remedies(workload: Workload, precision: Precision, free: int) -> list[str]:
    """What would fit instead, as options as messages mention them; empty where nothing would."""
    found = [_fewer_frames(workload, precision, free), _smaller(workload, precision, free)]
    return [text for text in found if text]


def _fewer_frames(workload: Workload, precision: Precision, free: int) -> str:
    counts = range(16, workload.frames, FRAMES_PER_LATENT)
    frames = _largest(counts, lambda n: replace(workload, frames=n), precision, free)
    if not frames:
        return ""
    return f"{mention(chunk_frames=frames)} at {workload.width}x{workload.height}"


def _smaller(workload: Workload, precision: Precision, free: int) -> str:
    """The largest size of about the same shape, sides multiples of 16."""

    def sized(percent: int) -> Workload:
        width, height = (
            floor_to(side * percent // 100, SIZE_MULTIPLE)
            for side in (workload.width, workload.height)
        )
        return replace(workload, width=width, height=height)

    best = _largest(range(20, 100, 5), sized, precision, free)
    if not best:
        return ""
    size = mention(width=sized(best).width, height=sized(best).height)
    return f"{size} with {workload.frames} frames a part"


def _largest(
    values: Sequence[int], made: Callable[[int], Workload], precision: Precision, free: int
) -> int:
    """The largest of rising values whose work fits in the most frugal way, 0 if none does."""
    fitting = bisect_left(values, True, key=lambda n: not _frugal(made(n), precision).fits(free))
    return values[fitting - 1] if fitting else 0


def _frugal(workload: Workload, precision: Precision) -> Fit:
    return _way(workload.ways_to_attend[-1], precision, "block", FINEST)


def require(workload: Workload, precision: Precision, free: int, level: OffloadLevel | None) -> Fit:
    """The way the job will run. Raises EngineUnavailable where it fits in no way."""
    way = fit(workload, precision, free, level)
    if way.fits(free) or level is not None:
        return way
    raise EngineUnavailable(
        f"{workload.width}x{workload.height} in parts of {workload.frames} frames needs "
        f"{gib(way.peak + RESERVE)} even with {mention(offload='block')} "
        f"(while: {way.worst.name}), {gib(free)} are free",
        hint=" or ".join(remedies(workload, precision, free)) or "take a card with more memory",
    )


def gib(size: int) -> str:
    """12.3 GiB."""
    return f"{size / 2**30:.1f} GiB"
