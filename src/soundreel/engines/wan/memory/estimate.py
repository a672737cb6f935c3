"""What `soundreel plan` says for the wan engine: per stage memory and time, and what would fit.

Memory is `memory`'s model. The least time is exact operations over the card's published rates, and
exact bytes over its bus. What is likely comes from the rates of finished jobs on this machine, or
else from the shares of the peak that were published for the card's family.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.cards import PCIE_4, Card, card_named, known_card, memory_named
from soundreel.engines.wan.memory.fit import RESERVE, Fit, fit, gib, remedies, stage_needs
from soundreel.engines.wan.memory.main_memory import main_memory, total_memory
from soundreel.engines.wan.memory.needs import OffloadLevel, Precision, StageNeeds, Workload
from soundreel.engines.wan.memory.rates import Rate, rates_of, read_rates
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


def target_of(gpu: str | None, rates: Path) -> Target | None:
    """What is planned for: the card named, else this machine's, with its `rates`; None where there
    is none. Raises InputError for `gpu`."""
    if gpu is not None:
        return target_named(gpu)
    from soundreel.engines.wan.memory.device import free_bytes
    from soundreel.post.networks.device import choose_device, driver_name

    free = free_bytes()
    if free is None:
        return None
    return target_here(driver_name(choose_device()), free, read_rates(rates))


def no_target() -> Estimate:
    """Where there is no card to plan for."""
    hint = f"there is none here that torch can use; name one: {mention(gpu='RTX 4090')}"
    return Estimate(source="unknown", details=(("card", hint),))


def target_here(driver_name: str, free: int, measured: Sequence[Rate] = ()) -> Target:
    """The card of this machine, with what is free of it."""
    shown = f"{driver_name}, {gib(free)} free"
    return Target(shown, free, known_card(driver_name), measured, driver_name, total_memory())


@dataclass(frozen=True, slots=True)
class Passes:
    """Of the transformer, for a chunk: as planned, and of a step that takes the most.

    A step cache answers some of them as it goes, so that nobody knows before how many are computed:
    at least `least`. speedup: of sampling, at best, as published by the cache's authors. texts:
    prompts that are encoded for them.
    """

    planned: int = 80
    a_step: int = 2
    least: int = 80
    speedup: float = 1.0
    source: str = ""
    texts: int = 2

    @property
    def few(self) -> float:
        """As many as are likely at best."""
        return max(self.least, self.planned / self.speedup)

    def told(self) -> Sequence[tuple[str, str]]:
        lines = [("passes of the model", f"{self.planned} a part")]
        if self.least < self.planned:
            text = f"computes {self.least} to {self.planned} of them, as the pictures allow"
            lines.append(("step cache", f"{text}; published: {self.speedup:g}x ({self.source})"))
        return lines


def predict(
    plan: Plan,
    target: Target,
    *,
    precision: Precision = Precision(),  # noqa: B008  (frozen)
    level: OffloadLevel | None = None,
    passes: Passes = Passes(),
    ways: Mapping[str, str] = MappingProxyType({}),
    carried: bool = False,
) -> Estimate:
    """The plan on a card. level: None is auto. ways: of `rates.Rate`, but the level. carried: the
    decoder goes on from chunk to chunk. Without the card's rates there are no times."""
    workloads = count_workloads(plan, passes=passes.a_step, carried=carried)
    return predict_work(
        workloads, target, precision=precision, level=level, passes=passes, ways=ways
    )


def predict_work(
    workloads: Counter[Workload],
    target: Target,
    *,
    precision: Precision,
    level: OffloadLevel | None,
    passes: Passes,
    ways: Mapping[str, str],
) -> Estimate:
    """So too, of what each chunk of a plan is, and how many are so."""
    largest = _largest(workloads)
    way = fit(largest, precision, target.free, level)
    card = target.card
    details = [("card", target.name), *passes.told(), *_faces(largest, precision)]
    details += _stage_lines(way, card)
    details += _verdict(largest, precision, way, target.free)
    state = needs.decoder_state_bytes(largest, way.tiling.decode)
    details.append(main_memory(precision, way.level, state).told(target.main_memory))
    if card is not None:
        rates = f"{card.bf16:g} TFLOP/s in bf16, {card.bus_gb:g} GB/s"
        details.append(("rates", f"{rates}; {card.source}"))

    def seconds(run: Run) -> float:
        return _seconds(workloads, precision, way, run, passes.texts)

    least = None if card is None else seconds(Run(_speed(card, 1.0), passes.least))
    runs, source = _likely(target, passes, {**ways, "offload": way.level})
    times = [seconds(run) for run in runs]
    likely = (min(times), max(times)) if times else None
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


@dataclass(frozen=True, slots=True)
class Run:
    """How fast a job may go. passes: of the transformer that are computed, for a chunk."""

    speed: Speed
    passes: float


def _likely(target: Target, passes: Passes, ways: Mapping[str, str]) -> tuple[Sequence[Run], str]:
    """The quickest, the slowest and any between, and where they come from."""
    card, measured = target.card, rates_of(target.measured, target.device, ways)
    if measured:
        jobs = "1 job" if len(measured) == 1 else f"{len(measured)} jobs"
        return [_measured(card, passes, rate) for rate in measured], (
            f"from the rate measured here on {jobs}"
        )
    if card is None:
        return (), ""
    shares = card.shares
    text = f"{shares.low:.0%} to {shares.high:.0%} of the rate in bf16, published: {shares.source}"
    quick = Run(_speed(card, shares.high), passes.few)
    return (quick, Run(_speed(card, shares.low), passes.planned)), text


def _measured(card: Card | None, passes: Passes, rate: Rate) -> Run:
    computed = max(passes.least, passes.planned * rate.computed)
    return Run(_measured_speed(card, rate.tflops * 1e12), computed)


def _measured_speed(card: Card | None, rate: float) -> Speed:
    """The transformer's; the VAE, in float32, at half of it, as cards' tables have it."""
    bus = (PCIE_4 if card is None else card.bus_gb) * 1e9
    return Speed(rate, rate / 2, bus)


def count_workloads(plan: Plan, *, passes: int, carried: bool = False) -> Counter[Workload]:
    """What each chunk is, and how many chunks are so."""
    request = plan.request
    seconds = min(60, max(1, math.ceil(plan.audio.duration)))
    return Counter(
        Workload(
            request.width,
            request.height,
            chunk.generated_frames,
            reference=request.has_picture,
            motion=chunk.first_slot > 0 or len(plan.chunks) > len(plan.shots),
            passes=passes,
            speakers=plan.most_faces,
            carried=carried and len(plan.chunks) > 1,
            sound_s=seconds,
        )
        for chunk in plan.chunks
    )


def greatest(plan: Plan, *, passes: int, carried: bool = False) -> Workload:
    """The chunk by which it is decided whether a plan fits."""
    return _largest(count_workloads(plan, passes=passes, carried=carried))


def _largest(workloads: Counter[Workload]) -> Workload:
    return max(workloads, key=lambda workload: workload.frames)


def stage_seconds(stage: StageNeeds, card: Card) -> float:
    """The least that a run of the stage can take."""
    return _stage_seconds(stage, _speed(card, 1.0))


def _stage_seconds(stage: StageNeeds, speed: Speed) -> float:
    """Computing and copying overlap: the longer of both."""
    return max(stage.flops / (speed.half if stage.half else speed.single), stage.bus / speed.bus)


_PER_CHUNK = ("pictures", "sampling", "decode", "motion")


def _seconds(
    workloads: Counter[Workload], precision: Precision, way: Fit, run: Run, texts: int
) -> float:
    total = 0.0
    for index, (workload, chunks) in enumerate(workloads.items()):
        for stage in stage_needs(workload, precision, way.level, way.tiling):
            if stage.name in _PER_CHUNK:
                runs = chunks * (run.passes if stage.name == "sampling" else 1)
            else:
                times = {"text": texts, "sound": workload.speakers}
                runs = int(index == 0) * times.get(stage.name, 1)
            total += runs * _stage_seconds(stage, run.speed)
    return total


def _stage_lines(way: Fit, card: Card | None) -> Sequence[tuple[str, str]]:
    lines = [("offload", way.told)]
    for stage in way.stages:
        by_layers = ", two layers at a time" if (stage.name, way.level) == ("text", "block") else ""
        text = f"{gib(stage.weights)} weights{by_layers} + {gib(stage.activations)} activations"
        if card is not None:
            each = " a pass" if stage.name == "sampling" else ""
            text += f", at least {stage_seconds(stage, card):.1f} s{each}"
        lines.append((stage.name, text))
    return lines


def _faces(workload: Workload, precision: Precision) -> Sequence[tuple[str, str]]:
    """What several of them take more than one."""
    if workload.speakers == 1:
        return ()
    both, one = (
        needs.step_count(load, precision.transformer).flops
        for load in (workload, replace(workload, speakers=1))
    )
    return [
        ("faces", f"{workload.speakers}, each with its sound: {both / one - 1:.1%} more a pass")
    ]


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
