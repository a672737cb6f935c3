"""The figures of `bench.gpu`. A figure's keys are its units: `_s` seconds, `_share` 0 to 1, others
bytes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import cast

import torch
from torch import Tensor

from bench import gpu_models
from bench.gpu_meter import Meter
from bench.gpu_parity import parity, stream
from soundreel.engines.wan.memory.cards import known_card
from soundreel.engines.wan.memory.device import free_bytes
from soundreel.engines.wan.memory.fit import stage_needs
from soundreel.engines.wan.memory.needs import OffloadLevel, Precision, StageNeeds, Workload
from soundreel.engines.wan.memory.offload import Residence, free_memory
from soundreel.engines.wan.model.compiled import compile_blocks, missing_compiler
from soundreel.engines.wan.model.conditioning import WanS2VConditioning
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan22 import MOTION_LATENTS, TEXT_TOKENS
from soundreel.post.networks.device import choose_device
from soundreel.timeline.grid import pictures_of, slots_for

Line = Mapping[str, object]

FRAMES = 80
VAE_LATENTS = 6
"""The first three are other than the rest, which are alike."""


class Figures:
    """tiny: tiny models and pictures on the CPU; the figures then mean nothing."""

    def __init__(self, *, tiny: bool) -> None:
        self._tiny = tiny
        self._device = torch.device("cpu") if tiny else choose_device()
        self._meter = Meter(self._device)
        self._held: tuple[str, WanS2VTransformer3DModel] | None = None
        self._first: dict[tuple[str, str], Tensor] = {}

    def machine(self) -> Line:
        card = self._device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name() if card else str(self._device),
            "memory": torch.cuda.get_device_properties(0).total_memory if card else None,
            "free": free_bytes(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "tiny": self._tiny,
        }

    def measure(self, figure: str, *about: str) -> Line:
        """One of `bench.gpu`'s tasks. Raises whatever fails."""
        figures: Mapping[str, Callable[..., Line]] = {
            "parity": lambda: parity(self._device),
            "stream": lambda: stream(self._device),
            "passes": self._passes,
            "compiled": self._compiled,
            "vae": self._vae,
            "text": self._text,
        }
        return figures[figure](*about)

    def forget(self) -> None:
        """Give back what a figure left on the card, also one that failed."""
        free_memory()

    # --- the transformer ------------------------------------------------------------------------

    def _passes(self, level: OffloadLevel, size: str, number_format: str) -> Line:
        model, workload = self._transformer(number_format), self._workload(size)
        residence = Residence(self._device, level)
        self._meter.forget_peaks()
        start = time.perf_counter()
        try:
            with torch.no_grad(), residence(model):
                self._meter.wait()
                loaded = time.perf_counter() - start
                measured, result = self._timed_passes(model, workload, level)
        finally:
            residence.lower()
        stage = self._stage("sampling", workload, number_format, level)
        return {
            "load_s": loaded,
            **measured,
            **self._compared(stage),
            "peak_rate_share": self._share(stage, cast(float, measured["pass_s"])),
            "finite": bool(result.isfinite().all()),
            "greatest_difference_to_first_level": self._difference(size, number_format, result),
        }

    def _compiled(self, size: str, number_format: str) -> Line:
        lacking = missing_compiler(self._device)
        if lacking:
            return {"left_out": f"needs {lacking}"}
        blocks = self._transformer(number_format).blocks
        compile_blocks(blocks)
        try:
            return self._passes("block", size, number_format)
        finally:
            for block in blocks:
                del block.forward
            torch.compiler.reset()

    def _timed_passes(
        self, model: WanS2VTransformer3DModel, workload: Workload, level: OffloadLevel
    ) -> tuple[Line, Tensor]:
        """The first pass of a level is told apart; large pictures get one more, others two."""
        conditioning: list[WanS2VConditioning] = []
        prepared = self._meter.time(lambda: conditioning.append(self._prepared(model, workload)))
        latents, timestep = self._normal(1, 16, *workload.latents), torch.tensor(900.0)
        result: list[Tensor] = []

        def one() -> None:
            result[:] = [model(latents, timestep, conditioning[0]).sample]

        small = workload.width * workload.height < 500_000
        first = self._meter.time(one)
        timed = [self._meter.time(one) for _ in range(2 if small else 1)]
        figures = {
            "prepare_s": prepared.seconds,
            "first_pass_s": first.seconds,
            "pass_s": median(each.seconds for each in timed),
            "queued_s": median(each.queued_s for each in timed),
            **self._meter.peaks(),
        }
        if small and level == "none":
            figures["idle_share"] = self._meter.idle_share(one)
        return figures, result[0].cpu()

    def _prepared(self, model: WanS2VTransformer3DModel, workload: Workload) -> WanS2VConditioning:
        config = model.config
        frames, height, width = workload.latents
        return model.prepare(
            self._normal(1, TEXT_TOKENS, config.text_dim),
            self._normal(1, config.num_audio_layers, config.audio_dim, slots_for(frames)),
            workload.latents,
            self._normal(1, 16, 1, height, width),
            self._normal(1, 16, MOTION_LATENTS, height, width),
        )

    def _transformer(self, number_format: str) -> WanS2VTransformer3DModel:
        """One at a time: main memory holds no two of them."""
        if self._held is None or self._held[0] != number_format:
            self._held = None
            made = gpu_models.transformer(number_format, self._device, tiny=self._tiny)
            self._held = (number_format, made)
        return self._held[1]

    def _difference(self, size: str, number_format: str, result: Tensor) -> float:
        """The levels only move weights: 0 is right."""
        first = self._first.setdefault((size, number_format), result)
        return float((result - first).abs().max())

    # --- the others -----------------------------------------------------------------------------

    def _vae(self, size: str) -> Line:
        workload = self._workload(size)
        vae = gpu_models.vae(self._device, tiny=self._tiny)
        _, height, width = workload.latents
        pictures = torch.zeros(1, 3, pictures_of(VAE_LATENTS), height * 8, width * 8)
        marks: list[float] = []

        def mark() -> None:
            self._meter.wait()
            marks.append(time.perf_counter())

        def encode() -> None:
            vae.encode(pictures, mark)
            mark()

        def decode() -> None:
            for _ in vae.decode(latents, 0, mark):
                pass
            mark()

        with Residence(self._device, "model")(vae.model):
            latents = self._normal(1, vae.latent_channels, VAE_LATENTS, height, width)
            decoded = self._latent_figures("decode", decode, marks, workload)
            free_memory()
            return {**decoded, **self._latent_figures("motion", encode, marks, workload)}

    def _latent_figures(
        self, stage: str, run: Callable[[], None], marks: list[float], workload: Workload
    ) -> Line:
        """A latent frame of 4 pictures, the median of the last three of a second run."""
        self._meter.forget_peaks()
        run()
        marks.clear()
        run()
        each = [after - before for before, after in zip(marks[-4:-1], marks[-3:], strict=True)]
        needed = self._stage(stage, workload, "fp8_scaled", "model")
        figures = {**self._meter.peaks(), **self._compared(needed)}
        return {
            f"{stage}_a_latent_s": median(each),
            **{f"{stage}_{key}": value for key, value in figures.items()},
        }

    def _text(self, number_format: str) -> Line:
        encoder = gpu_models.text_encoder(number_format, self._device, tiny=self._tiny)
        self._meter.forget_peaks()
        start = time.perf_counter()
        with Residence(self._device, "model")(encoder.model):
            self._meter.wait()
            loaded = time.perf_counter() - start
            encoder.encode_tokens([1] * TEXT_TOKENS)
            timed = self._meter.time(lambda: encoder.encode_tokens([1] * TEXT_TOKENS))
        stage = self._stage("text", self._workload("64x64"), number_format, "model")
        return {
            "load_s": loaded,
            "text_s": timed.seconds,
            **self._meter.peaks(),
            **self._compared(stage),
        }

    # --- what was foreseen ----------------------------------------------------------------------

    def _compared(self, stage: StageNeeds) -> Line:
        """What `soundreel plan` says of the 14B model, without its reserve."""
        return {"predicted_peak": stage.peak, "predicted_weights": stage.weights}

    def _share(self, stage: StageNeeds, seconds: float) -> float | None:
        """Of the card's published rate, where it is known."""
        card = known_card(str(self.machine()["device"]))
        return stage.flops / seconds / (card.bf16 * 1e12) if card and not self._tiny else None

    def _stage(
        self, name: str, workload: Workload, number_format: str, level: OffloadLevel
    ) -> StageNeeds:
        needed = stage_needs(workload, Precision(number_format, number_format), level)
        return next(stage for stage in needed if stage.name == name)

    def _workload(self, size: str) -> Workload:
        width, height = (int(side) for side in size.split("x"))
        return Workload(width, height, 8 if self._tiny else FRAMES, passes=1, sound_s=1)

    def _normal(self, *shape: int) -> Tensor:
        """The same numbers for every level."""
        generator = torch.Generator().manual_seed(sum(shape))
        return torch.randn(shape, generator=generator).to(self._device)
