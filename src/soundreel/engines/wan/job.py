"""The door to torch: from the files of a request to an opened session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch

from soundreel.engines.base import Session
from soundreel.engines.wan.components import Components
from soundreel.engines.wan.cost import given_level, precision_of, ways_of
from soundreel.engines.wan.encoders.tiles import WHOLE, Tiling
from soundreel.engines.wan.encoders.vae import WanVae, decoding_on
from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.models import (
    check_number_formats,
    load_audio_encoder,
    load_text_encoder,
    load_transformer,
    load_vae,
)
from soundreel.engines.wan.load.products import Rounding, check_products, use_products
from soundreel.engines.wan.memory.device import default_dtype, free_bytes
from soundreel.engines.wan.memory.fit import Fit, require
from soundreel.engines.wan.memory.main_memory import check_main_memory, main_memory, total_memory
from soundreel.engines.wan.memory.needs import Workload, decoder_state_bytes
from soundreel.engines.wan.memory.offload import Residence, free_memory
from soundreel.engines.wan.memory.payback import compile_seconds, seconds_saved
from soundreel.engines.wan.memory.rates import Sampled, keep_or_say, rate_of
from soundreel.engines.wan.model.compiled import compile_blocks, missing_compiler
from soundreel.engines.wan.model.kernels import check_kernel, use_kernel
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import WanOptions, options_of
from soundreel.engines.wan.session import WanSession
from soundreel.errors import EngineUnavailable, mention
from soundreel.events import Notice, RunControl
from soundreel.post.networks.device import choose_device, driver_name
from soundreel.types import Plan

_CPU = torch.device("cpu")


@contextmanager
def open_session(
    plan: Plan, options: WanOptions, files: Selection, control: RunControl, rates: Path
) -> Iterator[Session]:
    """rates: the file in which a finished job's rate is kept.

    Raises EngineUnavailable where the plan fits on the device, or in main memory, in no way, or
    where the kernel that was named for attention is not right there.
    """
    device = choose_device()
    _check_compiler(options, device)
    check_kernel(options.attention, device, default_dtype(device))
    products = rounded_products(options)
    if products is not None:
        check_products(products, device, default_dtype(device))
    way = _way(plan, options, files, control)
    level, tiling = (way.level, way.tiling) if way else (given_level(options) or "none", WHOLE)
    residence = Residence(device, level, in_slices=way is not None and way.in_slices)
    parts = make_components(
        files,
        residence,
        dtype=default_dtype(device),
        tiling=tiling,
        attention=options.attention,
        products=products,
        compiled=options.compile == "on",
        report=lambda text: control.emit(Notice(text)),
    )
    lower = residence.lower if options.offload == "auto" else lambda: None
    session = WanSession(plan, options, parts, lower=lower)
    try:
        with control.stage("encode text, sound and image"):
            session.prepare(control)
        yield session
        _tell_left_out(options, session.sampled, control)
        if way is not None:
            rate = rate_of(
                session.sampled,
                frames=max(chunk.generated_frames for chunk in plan.chunks),
                passes=options.passes,
                flops=way.sampling_flops,
                device=driver_name(device),
                ways={**ways_of(options), "offload": residence.level},
            )
            keep_or_say(rates, rate, control)
    finally:
        del session, parts, residence
        free_memory()


def make_components(
    files: Selection,
    residence: Residence,
    *,
    dtype: torch.dtype,
    tiling: Tiling = WHOLE,
    attention: str = "auto",
    products: Rounding | None = None,
    compiled: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Components:
    """The parts that a session takes; nothing is read before the session asks for it.

    Models come in main memory, mapped from their files; `residence` takes them to its device.
    attention: kernel of self-attention, see `model.kernels`; products: see `load.products`, None
    restores weights; compiled: the transformer's blocks.
    report: told what became of each LoRA.
    Raises EngineUnavailable where a file is missing or does not run on the device.
    """
    weights = files.weights.require()
    transformer, text = cast(Found, weights.transformer), cast(Found, weights.text_encoder)
    check_number_formats((transformer, text), residence.device)
    vae, audio = cast(Found, weights.vae), cast(Found, weights.audio_encoder)
    loras = [LoraSpec(found.path, strength) for found, strength in files.loras]

    def load_tileable_vae() -> WanVae:
        decoding = decoding_on(residence.device, dtype)
        residence.vae = loaded = load_vae(vae, device=_CPU, decoding=decoding, tiling=tiling)
        return loaded

    def load_ready() -> WanS2VTransformer3DModel:
        model = load_transformer(transformer, device=_CPU, dtype=dtype, loras=loras, report=report)
        residence.transformer = model
        if residence.in_slices:
            model.attend_in_slices()
        use_kernel(model, attention)
        if products is not None:
            use_products(model.blocks, products)
        if compiled:
            report("the blocks are compiled in the first step of each length of part: wait a while")
            compile_blocks(model.blocks)
        return model

    return Components(
        text=lambda: load_text_encoder(text, device=_CPU, dtype=dtype),
        audio=lambda: load_audio_encoder(audio, device=_CPU),
        vae=load_tileable_vae,
        transformer=load_ready,
        device=residence.device,
        dtype=dtype,
        resident=residence,
        resting=lambda: residence.resting,
    )


def rounded_products(options: WanOptions) -> Rounding | None:
    """What the blocks' products are made in, where not in the numbers of the restored weights."""
    return options.matmul if options.matmul in ("int8", "fp8") else None


def decide_products(options: WanOptions, files: Selection, control: RunControl) -> str:
    """The value of `matmul` that the job keeps to; said where it was decided here."""
    if options.matmul != "auto":
        return options.matmul
    device, found = choose_device(), files.weights.transformer
    if device.type == "cpu" or found is None or not found.number_format.startswith("int8"):
        return "exact"
    try:
        check_products("int8", device, default_dtype(device))
    except EngineUnavailable as err:
        control.emit(Notice(f"{err.message}: going on with {mention(matmul='exact')}"))
        return "exact"
    control.emit(Notice(f"{mention(matmul='int8')}: {found.path.name} multiplies as it is stored"))
    return "int8"


def tell_taken(options: WanOptions, files: Selection, control: RunControl) -> None:
    """A word where another transformer could have been taken, and nobody said which."""
    taken, others = files.weights.transformer, len(files.transformers) - 1
    if options.model is not None or taken is None or others < 1:
        return
    text = (
        f"{taken.path.name}, {taken.size / 1e9:.1f} GB, is taken of {others + 1} transformers here"
    )
    control.emit(Notice(f"{text}: soundreel plan compares them, {mention('model')} takes another"))


def decide_compile(
    plan: Plan, options: WanOptions, files: Selection, likely_s: float | None, control: RunControl
) -> bool:
    """Whether the job's blocks are compiled; said where that was decided here.

    likely_s: what the job takes without, None where that is not known.
    Raises EngineUnavailable where the user wants what this machine cannot.
    """
    device = choose_device()
    _check_compiler(options, device)
    if options.compile != "auto":
        return options.compile == "on"
    if likely_s is None or device.type != "cuda" or missing_compiler(device) or _is_packed(files):
        return False
    cost = compile_seconds(plan, first_motion=options.init_first_frame)
    saved = seconds_saved(likely_s)
    if saved <= cost:
        return False
    minutes = (f"{seconds / 60:.0f} min" for seconds in (cost, saved))
    control.emit(Notice("compile: on, {} once to save {} (predicted)".format(*minutes)))
    return True


def _is_packed(files: Selection) -> bool:
    """Small formats restore each layer in its own way, which nobody has compiled yet."""
    found = files.weights.transformer
    return found is None or not found.number_format.startswith(("fp", "bf"))


def _check_compiler(options: WanOptions, device: torch.device) -> None:
    lacking = missing_compiler(device) if options.compile == "on" else ""
    if lacking:
        raise EngineUnavailable(
            f"{mention(compile='on')} needs {lacking}",
            hint=f"install it, or take {mention(compile='off')}",
        )


def _way(plan: Plan, options: WanOptions, files: Selection, control: RunControl) -> Fit | None:
    """How the job runs; None where it need not be asked. Raises EngineUnavailable if nothing
    fits."""
    free_memory()
    free = free_bytes()
    if free is None or files.is_small:
        return None
    workload = _greatest(plan, options)
    way = require(workload, precision_of(files), free, given_level(options))
    state = decoder_state_bytes(workload, way.tiling.decode)
    needed = main_memory(precision_of(files), way.level, state)
    check_main_memory(needed, total_memory(), control)
    if options.offload == "auto" and way.told != "none":
        control.emit(Notice(f"offload: {way.told}, to fit into free device memory"))
    return way


def _tell_left_out(options: WanOptions, sampled: Sequence[Sampled], control: RunControl) -> None:
    planned = options.passes * len(sampled)
    if options.caching is not None and planned:
        left_out = planned - sum(each.passes for each in sampled)
        share = f"{left_out} of {planned} passes of the model, {left_out / planned:.0%}"
        control.emit(Notice(f"the step cache left out {share}"))


def _greatest(plan: Plan, options: WanOptions) -> Workload:
    """Of the plan's chunks."""
    request = plan.request
    return Workload(
        request.width,
        request.height,
        max(chunk.generated_frames for chunk in plan.chunks),
        reference=request.has_picture,
        motion=len(plan.chunks) > len(plan.shots) or options.init_first_frame,
        passes=_passes_a_step(plan, options),
        speakers=plan.most_faces,
        carried=options.carry_decoder and len(plan.chunks) > len(plan.shots),
    )


def _passes_a_step(plan: Plan, options: WanOptions) -> int:
    """Of the shot that takes the most."""
    return max(options_of(plan, shot, options).passes_a_step for shot in plan.shots)
