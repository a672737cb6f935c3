"""What `soundreel plan` says for the wan engine: per stage memory and time, and what would fit.

Memory is `memory`'s model. The least time is exact operations over the card's published rates, and
exact bytes over its bus. What is likely comes from the rates of finished jobs on this machine, or
else from the shares of the peak that were published for the card's family.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from soundreel.engines.wan.memory.cards import PCIE_4, Card, card_named, known_card, memory_named
from soundreel.engines.wan.memory.fit import (
    RESERVE,
    Fit,
    Precision,
    StageNeeds,
    fit,
    gib,
    remedies,
    stage_needs,
)
from soundreel.engines.wan.memory.main_memory import main_memory, total_memory
from soundreel.engines.wan.memory.needs import OffloadLevel, Workload
from soundreel.engines.wan.memory.rates import Rate, rates_of
from soundreel.errors import mention
from soundreel.types import Estimate, Plan

SOURCE = "predicted: exact counts at the card's published rates"


@dataclass(frozen=True, slots=True)
class Target:
    """What is planned for: a name to show, free bytes, and the card's rates where it is known."""

    name: str
    free: int
    card: Card | None = None
    measured: Sequence[Rate] = ()
    """Of this machine's card."""

    device: str = ""
    """As the driver names it; empty where another card than this machine's is meant."""

    main_memory: int | None = None


def target_named(text: str) -> Target:
    """A card ("RTX 4090"), or any with so much memory ("24GB"). Raises InputError."""
    free = memory_named(text)
    if free is not None:
        return Target(f"any with {gib(free)}", free)
    card = card_named(text)
    return Target(card.name, card.memory_bytes, card)


def target_here(driver_name: str, free: int, measured: Sequence[Rate] = ()) -> Target:
    """The card of this machine, with what is free of it."""
    shown = f"{driver_name}, {gib(free)} free"
    return Target(shown, free, known_card(driver_name), measured, driver_name, total_memory())


def predict(
    plan: Plan,
    target: Target,
    *,
    precision: Precision = Precision(),  # noqa: B008  (frozen)
    level: OffloadLevel | None = None,
    passes: int = 80,
    guided: bool = True,
) -> Estimate:
    """The plan on a card. level: None is auto. passes: of the transformer, for a chunk; guided: in
    some steps there are two. Without the card's rates there are no times."""
    workloads = count_workloads(plan, guided=guided)
    greatest = max(workloads, key=lambda workload: workload.frames)
    way = fit(greatest, precision, target.free, level)
    card = target.card
    details = [("card", target.name), ("passes of the model", f"{passes} a chunk")]
    details += _stage_lines(way, card)
    details += _verdict(greatest, precision, way, target.free)
    details.append(main_memory(precision, way.level).told(target.main_memory))
    if card is not None:
        rates = f"{card.bf16:g} TFLOP/s in bf16, {card.bus_gb:g} GB/s"
        details.append(("rates", f"{rates}; {card.source}"))

    def seconds(speed: Speed) -> float:
        return _seconds(workloads, precision, way, speed, passes)

    least = None if card is None else seconds(_speed(card, 1.0))
    speeds, source = _likely(target, way.level)
    likely = (seconds(speeds[0]), seconds(speeds[1])) if speeds else None
    if likely is not None:
        details.append(("likely time", source))
    return Estimate(least, way.peak + RESERVE, SOURCE, tuple(details), likely)


@dataclass(frozen=True, slots=True)
class Speed:
    """Operations a second in bfloat16 and in float32, bytes a second over the bus."""

    half: float
    single: float
    bus: float


def _speed(card: Card, share: float) -> Speed:
    return Speed(card.bf16 * share * 1e12, card.tf32 * share * 1e12, card.bus_gb * 1e9)


def _likely(target: Target, level: OffloadLevel) -> tuple[tuple[Speed, Speed] | None, str]:
    """The quicker and the slower end, and where they come from."""
    card, measured = target.card, rates_of(target.measured, target.device, level)
    if measured:
        jobs = "1 job" if len(measured) == 1 else f"{len(measured)} jobs"
        slow, fast = (_measured_speed(card, rate * 1e12) for rate in (measured[0], measured[-1]))
        return (fast, slow), f"from the rate measured here on {jobs}"
    if card is None:
        return None, ""
    shares = card.shares
    text = f"{shares.low:.0%} to {shares.high:.0%} of the rate in bf16, published: {shares.source}"
    return (_speed(card, shares.high), _speed(card, shares.low)), text


def _measured_speed(card: Card | None, rate: float) -> Speed:
    """The transformer's; the VAE, in float32, at half of it, as cards' tables have it."""
    bus = (PCIE_4 if card is None else card.bus_gb) * 1e9
    return Speed(rate, rate / 2, bus)


def count_workloads(plan: Plan, *, guided: bool) -> Counter[Workload]:
    """What each chunk is, and how many chunks are so."""
    request = plan.request
    seconds = min(60, max(1, math.ceil(plan.audio.duration)))
    return Counter(
        Workload(
            request.width,
            request.height,
            chunk.generated_frames,
            reference=request.image is not None,
            motion=chunk.first_slot > 0 or len(plan.chunks) > 1,
            guided=guided,
            sound_s=seconds,
        )
        for chunk in plan.chunks
    )


def stage_seconds(stage: StageNeeds, card: Card) -> float:
    """The least that a run of the stage can take."""
    return _stage_seconds(stage, _speed(card, 1.0))


def _stage_seconds(stage: StageNeeds, speed: Speed) -> float:
    """Computing and copying overlap: the longer of both."""
    return max(stage.flops / (speed.half if stage.half else speed.single), stage.bus / speed.bus)


_PER_CHUNK = ("sampling", "decode", "motion")


def _seconds(
    workloads: Counter[Workload], precision: Precision, way: Fit, speed: Speed, passes: int
) -> float:
    total = 0.0
    for index, (workload, chunks) in enumerate(workloads.items()):
        for stage in stage_needs(workload, precision, way.level, way.tiling):
            if stage.name in _PER_CHUNK:
                runs = chunks * (passes if stage.name == "sampling" else 1)
            else:
                runs = int(index == 0) * (2 if stage.name == "text" and workload.guided else 1)
            total += runs * _stage_seconds(stage, speed)
    return total


def _stage_lines(way: Fit, card: Card | None) -> Sequence[tuple[str, str]]:
    lines = [("offload", f"{way.level}{'' if way.tiling.whole else ', VAE in tiles'}")]
    for stage in way.stages:
        text = f"{gib(stage.weights)} weights + {gib(stage.activations)} activations"
        if card is not None:
            each = " a pass" if stage.name == "sampling" else ""
            text += f", at least {stage_seconds(stage, card):.1f} s{each}"
        lines.append((stage.name, text))
    return lines


def _verdict(
    workload: Workload, precision: Precision, way: Fit, free: int
) -> Sequence[tuple[str, str]]:
    if way.fits(free):
        return [("fits", f"{gib(way.peak + RESERVE)} of {gib(free)}")]
    needed = f"{way.worst.name} needs {gib(way.peak + RESERVE)} of {gib(free)}"
    lines = [("does not fit", needed)]
    other = fit(workload, precision, free)
    if other.fits(free):
        return [*lines, ("would fit", mention(offload=other.level))]
    return [*lines, *(("would fit", text) for text in remedies(workload, precision, free))]
