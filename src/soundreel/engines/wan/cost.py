"""What a plan would take, before anything is opened. No torch but for the card of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from soundreel.engines.wan.files.catalog import PUBLISHED
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.memory.estimate import (
    Passes,
    Target,
    greatest,
    no_target,
    predict,
    target_of,
)
from soundreel.engines.wan.memory.fit import fit
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel, Precision
from soundreel.engines.wan.memory.weighed import weights_of
from soundreel.engines.wan.options import WanOptions
from soundreel.engines.wan22 import FEW_STEP_LORA
from soundreel.errors import mention
from soundreel.types import Estimate, Plan

_HALF = 2  # bytes of a LoRA's number on the device


def estimate(
    plan: Plan, options: WanOptions, files: Selection | None, gpu: str | None, rates: Path
) -> Estimate:
    """gpu: the card to plan for, None is this machine's; files: None takes the published ones.

    Raises InputError for a card that is not known.
    """
    target = target_of(gpu, rates)
    if target is None:
        return no_target()
    if files is not None and files.is_small:
        return Estimate(source="unknown: not the 14B model")
    if files is None:
        return _predict(plan, options, target, _published(options))
    estimated = _predict(plan, options, target, precision_of(files))
    return replace(estimated, details=estimated.details + _at_hand(plan, options, target, files))


def _predict(plan: Plan, options: WanOptions, target: Target, precision: Precision) -> Estimate:
    return predict(
        plan,
        target,
        precision=precision,
        level=given_level(options),
        passes=_passes(options),
        ways=ways_of(options),
        carried=options.carry_decoder,
    )


def _at_hand(
    plan: Plan, options: WanOptions, target: Target, files: Selection
) -> tuple[tuple[str, str], ...]:
    """A line for every transformer on this machine, the best for the card first; none where there
    is one only.

    Best is what stays on the card before what goes to it model by model, and that before what is
    streamed; of the same way the larger file, whose numbers are the finer ones.
    """
    if len(files.transformers) < 2:
        return ()
    workload = greatest(plan, passes=options.passes_a_step, carried=options.carry_decoder)
    ways = []
    for file in files.transformers:
        precision = precision_of(files.taking(file))
        way = fit(workload, precision, target.free, given_level(options))
        rank = OFFLOAD_LEVELS.index(way.level) if way.fits(target.free) else len(OFFLOAD_LEVELS)
        likely = _predict(plan, options, target, precision).likely_seconds
        ways.append(((rank, -file.size), file.path.name, _WAYS[rank] + _took(likely)))
    lines = [f"{name}: {text}" for _, name, text in sorted(ways)]
    best = min(ways)[1]
    taken = files.weights.transformer
    assert taken is not None
    if taken.path.name != best:
        lines.append(f"best is {best}: take it by {mention(model=best)}")
    return tuple(("at hand", line) for line in lines)


_WAYS = ("fits", "fits, one model at a time", "would stream", "does not fit")


def _took(likely: tuple[float, float] | None) -> str:
    if likely is None:
        return ""
    low, high = (max(1, round(seconds / 60)) for seconds in likely)
    return f", likely {low} min" if low == high else f", likely {low} to {high} min"


def _passes(options: WanOptions) -> Passes:
    planned, texts, caching = options.passes, 1 + options.guides_text, options.caching
    passes = Passes(planned, options.passes_a_step, planned, texts=texts)
    if caching is None:
        return passes
    least = options.least_passes
    return replace(passes, least=least, speedup=caching.speedup, source=caching.source)


def ways_of(options: WanOptions) -> dict[str, str]:
    """What of them changes speed, but the offload level: see `rates.Rate`."""
    ways = {
        **{"attention": options.attention, "cache": options.cache},
        **{"compile": options.compile, "matmul": options.matmul},
    }
    plain = ("auto", "native", "off", "exact")
    return {name: way for name, way in ways.items() if way not in plain}


def given_level(options: WanOptions) -> OffloadLevel | None:
    return None if options.offload == "auto" else options.offload


def precision_of(files: Selection) -> Precision:
    weights = files.weights
    assert weights.transformer is not None
    assert weights.text_encoder is not None
    return Precision(
        weights.transformer.number_format,
        weights.text_encoder.number_format,
        sum(lora.parameters for lora, _ in files.loras) * _HALF,
        weights_of(weights.transformer),
        weights_of(weights.text_encoder),
    )


def _published(options: WanOptions) -> Precision:
    """Of the files that `soundreel models pull` fetches; its LoRA has float32 numbers."""
    few_step = any(lora.name == FEW_STEP_LORA.name for lora in options.sampling.loras)
    size = next(file.size for file in PUBLISHED if file.slot == "lora")
    return Precision(lora_bytes=size // 2 if few_step else 0)
