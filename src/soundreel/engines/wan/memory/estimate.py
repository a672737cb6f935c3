"""What `soundreel plan` says for the wan engine: per stage memory and time, and what would fit.

Memory is `memory`'s model. Time is exact operations over the card's published rates, and exact
bytes over its bus: the shortest time that the card can take. All of it is predicted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from soundreel.engines.wan.memory.cards import Card, card_named, known_card, memory_named
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
from soundreel.engines.wan.memory.needs import Workload
from soundreel.engines.wan.memory.offload import OffloadLevel
from soundreel.errors import mention
from soundreel.types import Estimate, Plan

SOURCE = "predicted: exact counts at the card's published rates; a real run takes longer"


@dataclass(frozen=True, slots=True)
class Target:
    """What is planned for: a name to show, free bytes, and the card's rates where it is known."""

    name: str
    free: int
    card: Card | None = None


def target_named(text: str) -> Target:
    """A card ("RTX 4090"), or any with so much memory ("24GB"). Raises InputError."""
    free = memory_named(text)
    if free is not None:
        return Target(f"any with {gib(free)}", free)
    card = card_named(text)
    return Target(card.name, card.memory_bytes, card)


def target_here(name: str, free: int) -> Target:
    """The card of this machine, with what is free of it."""
    return Target(f"{name}, {gib(free)} free", free, known_card(name))


def predict(
    plan: Plan,
    target: Target,
    *,
    precision: Precision = Precision(),  # noqa: B008  (frozen)
    level: OffloadLevel | None = None,
    steps: int = 40,
    guided: bool = True,
) -> Estimate:
    """The plan on a card. level: None is auto. Without the card's rates there are no times."""
    workloads = count_workloads(plan, guided=guided)
    greatest = max(workloads, key=lambda workload: workload.frames)
    way = fit(greatest, precision, target.free, level)
    card = target.card
    seconds = None if card is None else _seconds(workloads, precision, way, card, steps)
    details = [("card", target.name), *_stage_lines(way, card)]
    details += _verdict(greatest, precision, way, target.free)
    if card is not None:
        rates = f"{card.bf16:g} TFLOP/s in bf16, {card.bus_gb:g} GB/s"
        details.append(("rates", f"{rates}; {card.source}"))
    return Estimate(seconds, way.peak + RESERVE, SOURCE, tuple(details))


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


def stage_seconds(stage: StageNeeds, card: Card, runs: int = 1) -> float:
    """Computing and copying overlap: the longer of both, `runs` times."""
    rate = (card.bf16 if stage.half else card.tf32) * 1e12
    return runs * max(stage.flops / rate, stage.bus / (card.bus_gb * 1e9))


_PER_CHUNK = ("sampling", "decode", "motion")


def _seconds(
    workloads: Counter[Workload], precision: Precision, way: Fit, card: Card, steps: int
) -> float:
    total = 0.0
    for index, (workload, chunks) in enumerate(workloads.items()):
        passes = steps * (2 if workload.guided else 1)
        for stage in stage_needs(workload, precision, way.level, way.tiled):
            if stage.name in _PER_CHUNK:
                runs = chunks * (passes if stage.name == "sampling" else 1)
            else:
                runs = int(index == 0) * (2 if stage.name == "text" and workload.guided else 1)
            total += stage_seconds(stage, card, runs)
    return total


def _stage_lines(way: Fit, card: Card | None) -> Sequence[tuple[str, str]]:
    lines = [("offload", f"{way.level}{', VAE in tiles' if way.tiled else ''}")]
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
