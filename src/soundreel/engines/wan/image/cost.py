"""What a plan of image to video would take, before anything is opened. No torch but for the card of
this machine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from soundreel.engines.wan.image.files import ImageFiles
from soundreel.engines.wan.image.needs import LORA_BYTES, ImageWorkload, transformer_weights
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.memory.estimate import Passes, no_target, predict_work, target_of
from soundreel.engines.wan.memory.needs import OffloadLevel, Precision, Workload
from soundreel.engines.wan.memory.weighed import weights_of
from soundreel.types import Estimate, Plan

_HALF = 2  # bytes of a LoRA's number on the device


def estimate(
    plan: Plan, options: WanImageOptions, files: ImageFiles | None, gpu: str | None, rates: Path
) -> Estimate:
    """gpu: the card to plan for, None is this machine's; files: None takes the published ones.

    Raises InputError for a card that is not known.
    """
    target = target_of(gpu, rates)
    if target is None:
        return no_target()
    if files is not None and files.is_small:
        return Estimate(source="unknown: not the 14B model")
    return predict_work(
        workloads_of(plan, options),
        target,
        precision=_published(options) if files is None else precision_of(files),
        level=given_level(options),
        passes=passes_of(options),
        ways=ways_of(options),
    )


def workloads_of(plan: Plan, options: WanImageOptions) -> Counter[Workload]:
    """What each pass is, and how many passes are so."""
    request, passes = plan.request, 1 + options.guided
    return Counter(
        ImageWorkload(request.width, request.height, chunk.generated_frames, passes=passes)
        for chunk in plan.chunks
    )


def passes_of(options: WanImageOptions) -> Passes:
    planned, each = options.passes, 1 + options.guided
    return Passes(planned, each, planned, texts=each)


def ways_of(options: WanImageOptions) -> dict[str, str]:
    """What of them changes speed, but the offload level: see `rates.Rate`."""
    ways = {"model": "i2v"}
    return (
        ways if options.attention in ("auto", "native") else ways | {"attention": options.attention}
    )


def given_level(options: WanImageOptions) -> OffloadLevel | None:
    return None if options.offload == "auto" else options.offload


def precision_of(files: ImageFiles) -> Precision:
    """By the larger of the two transformers, with the greater LoRAs."""
    both = sorted(files.experts.values(), key=lambda file: weights_of(file).all, reverse=True)
    loras = (sum(lora.parameters for lora, _ in each) for each in files.loras.values())
    return Precision(
        both[0].number_format,
        files.text_encoder.number_format,
        max(loras) * _HALF,
        weights_of(both[0]),
        weights_of(files.text_encoder),
        weights_of(both[1]),
        audio=False,
    )


def _published(options: WanImageOptions) -> Precision:
    """Of the files that `soundreel models pull i2v` fetches."""
    weights, loras = transformer_weights("fp8_scaled"), options.sampling.loras
    size = LORA_BYTES * max(len(each) for each in loras.values())
    return Precision(lora_bytes=size, transformer_file=weights, in_turn=weights, audio=False)
