"""What `soundreel plan` says for the wan engine: per stage memory and time, and what would fit.

Memory is `memory`'s model. Time is exact operations over the card's published rates, and exact
bytes over its bus: the shortest time that the card can take. All of it is predicted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from soundreel.engines.wan import memory
from soundreel.engines.wan.cards import CARDS, Card, card_named, memory_named
from soundreel.engines.wan.memory import Fit, Precision, Stage, gib
from soundreel.engines.wan.needs import Work
from soundreel.engines.wan.offload import Level
from soundreel.types import Estimate, Plan

SOURCE = "predicted: exact counts at the card's published rates; a real run takes longer"


def predict(
    plan: Plan,
    gpu: str,
    *,
    precision: Precision = Precision(),  # noqa: B008  (frozen)
    level: Level | None = None,
    steps: int = 40,
    guided: bool = True,
) -> Estimate:
    """The plan on a card ("RTX 4090"), or on any with so much memory ("24GB": no times then).

    level: None is auto. Raises InputError for a card that is not known.
    """
    free = memory_named(gpu)
    card = None if free is not None else card_named(gpu)
    size = free if free is not None else (card or CARDS[0]).memory_bytes
    works = works_of(plan, guided=guided)
    greatest = max(works, key=lambda work: work.frames)
    way = memory.fit(greatest, precision, size, level)
    seconds = None if card is None else _seconds(works, precision, way, card, steps)
    details = [("card", card.name if card else gpu), *_stage_lines(way, card)]
    details += _verdict(greatest, precision, way, size)
    if card is not None:
        details.append(
            ("rates", f"{card.bf16:g} TFLOP/s bf16, {card.bus_gb:g} GB/s; {card.source}")
        )
    return Estimate(seconds, way.peak + memory.RESERVE, SOURCE, tuple(details))


def works_of(plan: Plan, *, guided: bool) -> Counter[Work]:
    """What each chunk is, and how many chunks are so."""
    request = plan.request
    seconds = min(60, max(1, math.ceil(plan.audio.duration)))
    return Counter(
        Work(
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


def stage_seconds(stage: Stage, card: Card, runs: int = 1) -> float:
    """Computing and copying overlap: the longer of both, `runs` times."""
    rate = (card.bf16 if stage.half else card.tf32) * 1e12
    return runs * max(stage.flops / rate, stage.bus / (card.bus_gb * 1e9))


_PER_CHUNK = ("sampling", "decode", "motion")


def _seconds(works: Counter[Work], precision: Precision, way: Fit, card: Card, steps: int) -> float:
    total = 0.0
    for index, (work, chunks) in enumerate(works.items()):
        passes = steps * (2 if work.guided else 1)
        for stage in memory.stages(work, precision, way.level, way.tiled):
            if stage.name in _PER_CHUNK:
                runs = chunks * (passes if stage.name == "sampling" else 1)
            else:
                runs = int(index == 0) * (2 if stage.name == "text" and work.guided else 1)
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


def _verdict(work: Work, precision: Precision, way: Fit, free: int) -> Sequence[tuple[str, str]]:
    if way.fits(free):
        return [("fits", f"{gib(way.peak + memory.RESERVE)} of {gib(free)}")]
    needed = f"{way.worst.name} needs {gib(way.peak + memory.RESERVE)} of {gib(free)}"
    lines = [("does not fit", needed)]
    other = memory.fit(work, precision, free)
    if other.fits(free):
        return [*lines, ("would fit", f"--offload {other.level}")]
    return [*lines, *(("would fit", text) for text in memory.remedies(work, precision, free))]
