"""What a plan would take, before anything is opened. No torch but for the card of this machine."""

from __future__ import annotations

from pathlib import Path

from soundreel.engines.wan.files.catalog import PUBLISHED
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.memory.estimate import Passes, Target, predict, target_here, target_named
from soundreel.engines.wan.memory.fit import Precision
from soundreel.engines.wan.memory.needs import OffloadLevel
from soundreel.engines.wan.memory.rates import read_rates
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
    target = _target(gpu, rates)
    if target is None:
        hint = f"there is none here that torch can use; name one: {mention(gpu='RTX 4090')}"
        return Estimate(source="unknown", details=(("card", hint),))
    if files is not None and files.is_small:
        return Estimate(source="unknown: not the 14B model")
    return predict(
        plan,
        target,
        precision=_published(options) if files is None else precision_of(files),
        level=given_level(options),
        passes=_passes(options),
        ways=ways_of(options),
        carried=options.carry_decoder,
    )


def _passes(options: WanOptions) -> Passes:
    planned, guided, caching = options.passes, any(options.guided_steps), options.caching
    if caching is None:
        return Passes(planned, guided, planned)
    return Passes(planned, guided, options.least_passes, caching.speedup, caching.source)


def _target(gpu: str | None, rates: Path) -> Target | None:
    """What is planned for; None where there is no GPU. Raises InputError for `gpu`."""
    if gpu is not None:
        return target_named(gpu)
    from soundreel.engines.wan.memory.device import choose_device, driver_name, free_bytes

    free = free_bytes()
    if free is None:
        return None
    return target_here(driver_name(choose_device()), free, read_rates(rates))


def ways_of(options: WanOptions) -> dict[str, str]:
    """What of them changes speed, but the offload level: see `rates.Rate`."""
    ways = {"attention": options.attention, "cache": options.cache, "compile": options.compile}
    plain = ("auto", "native", "off")
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
