"""The door to torch for image to video: from the files of a request to an opened session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from soundreel.engines.base import Session
from soundreel.engines.wan.encoders.pictures import reference_pixels
from soundreel.engines.wan.encoders.tiles import WHOLE, Tiling
from soundreel.engines.wan.encoders.vae import WanVae, decoding_on
from soundreel.engines.wan.image.cost import given_level, precision_of, ways_of, workloads_of
from soundreel.engines.wan.image.files import ImageFiles
from soundreel.engines.wan.image.load import load_expert
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.image.parts import ImageParts
from soundreel.engines.wan.image.session import ImageSession
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.models import check_number_formats, load_text_encoder, load_vae
from soundreel.engines.wan.memory.device import default_dtype, free_bytes
from soundreel.engines.wan.memory.fit import Fit, require
from soundreel.engines.wan.memory.main_memory import check_main_memory, main_memory, total_memory
from soundreel.engines.wan.memory.offload import Residence, free_memory
from soundreel.engines.wan.memory.rates import keep_or_say, rate_of
from soundreel.engines.wan.model.kernels import check_kernel, use_kernel
from soundreel.engines.wan22_i2v import EXPERTS, Expert
from soundreel.events import Notice, RunControl
from soundreel.media.image import load_image
from soundreel.post.networks.device import choose_device, driver_name
from soundreel.types import ImageRequest, Plan

_CPU = torch.device("cpu")


@contextmanager
def open_session(
    plan: Plan, options: WanImageOptions, files: ImageFiles, control: RunControl, rates: Path
) -> Iterator[Session]:
    """rates: the file in which a finished job's rate is kept.

    Raises EngineUnavailable where the plan fits on the device, or in main memory, in no way, or
    where the kernel that was named for attention is not right there.
    """
    device = choose_device()
    check_kernel(options.attention, device, default_dtype(device))
    way = _way(plan, options, files, control)
    level, tiling = (way.level, way.tiling) if way else (given_level(options) or "none", WHOLE)
    residence = Residence(device, level)
    parts = make_parts(
        files,
        residence,
        dtype=default_dtype(device),
        tiling=tiling,
        attention=options.attention,
        report=lambda text: control.emit(Notice(text)),
    )
    lower = residence.lower if options.offload == "auto" else lambda: None
    session = ImageSession(plan, options, parts, *given_pictures(plan), lower=lower)
    try:
        with control.stage("encode text"):
            session.prepare(control)
        yield session
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


def make_parts(
    files: ImageFiles,
    residence: Residence,
    *,
    dtype: torch.dtype,
    tiling: Tiling = WHOLE,
    attention: str = "auto",
    report: Callable[[str], None] = lambda _: None,
) -> ImageParts:
    """The parts that a session takes; nothing is read before the session asks for it.

    Models come in main memory, mapped from their files; `residence` takes them to its device.
    attention: kernel of self-attention, see `model.kernels`.
    report: told what became of each LoRA.
    Raises EngineUnavailable where a file does not run on the device.
    """
    check_number_formats((*files.experts.values(), files.text_encoder), residence.device)

    def load_tileable_vae() -> WanVae:
        decoding = decoding_on(residence.device, dtype)
        residence.vae = loaded = load_vae(files.vae, device=_CPU, decoding=decoding, tiling=tiling)
        return loaded

    def load_ready(expert: Expert) -> WanI2VTransformer3DModel:
        loras = [LoraSpec(found.path, strength) for found, strength in files.loras[expert]]
        found = files.experts[expert]
        model = load_expert(found, device=_CPU, dtype=dtype, loras=loras, report=report)
        use_kernel(model, attention)
        return model

    return ImageParts(
        text=lambda: load_text_encoder(files.text_encoder, device=_CPU, dtype=dtype),
        vae=load_tileable_vae,
        experts={expert: partial(load_ready, expert) for expert in EXPERTS},
        device=residence.device,
        dtype=dtype,
        resident=residence,
        visit=residence.visit,
    )


def given_pictures(plan: Plan) -> tuple[Tensor | None, Tensor | None]:
    """What the video begins and ends with, (1, 3, 1, H, W) in -1..1; None for none. Raises
    InputError."""
    request = plan.request
    assert isinstance(request, ImageRequest), "this engine makes videos of images"

    def pixels(path: Path | None) -> Tensor | None:
        size = request.width, request.height
        return None if path is None else reference_pixels(load_image(path), *size)

    return pixels(request.first_picture), pixels(request.last_picture)


def _way(
    plan: Plan, options: WanImageOptions, files: ImageFiles, control: RunControl
) -> Fit | None:
    """How the job runs; None where it need not be asked. Raises EngineUnavailable if nothing
    fits."""
    free_memory()
    free = free_bytes()
    if free is None or files.is_small:
        return None
    precision = precision_of(files)
    largest = max(workloads_of(plan, options), key=lambda workload: workload.frames)
    way = require(largest, precision, free, given_level(options))
    check_main_memory(main_memory(precision, way.level), total_memory(), control)
    if options.offload == "auto" and (way.level != "none" or not way.tiling.whole):
        tiles = "" if way.tiling.whole else ", VAE on tiles"
        control.emit(Notice(f"offload: {way.level}{tiles}, to fit into free device memory"))
    return way
