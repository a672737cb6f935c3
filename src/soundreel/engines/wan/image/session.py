"""One plan, pass after pass, on the two transformers of Wan 2.2 I2V.

A pass of F = 4 n + 1 pictures, all sizes in latents (h = H/8, w = W/8, T = n + 1):

    pictures   (1, 20, T, h, w)    the given ones, see `conditioning`
    noise      (1, 16, T, h, w)
    latents    (1, 16, T, h, w)    the noisy steps by one transformer, the fine ones by the other
    decoded    F pictures

The first pass begins with the given picture, which is its first one. A later one begins with the
last picture of the pass before it, as it is shown and in floats, which is not given twice; it knows
nothing else of that pass. The last pass ends with the last picture, where one is given.

Source: Wan-Video/Wan2.2, wan/image2video.py; diffusers, pipelines/wan/pipeline_wan_i2v.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from soundreel.engines.wan.encoders.colour import steadied
from soundreel.engines.wan.encoders.inputs import encode_texts
from soundreel.engines.wan.encoders.pictures import to_rgb
from soundreel.engines.wan.encoders.vae import SPACE
from soundreel.engines.wan.image.conditioning import picture_latents
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.image.parts import ImageParts
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan.memory.offload import free_memory, memory_errors, retry_lower
from soundreel.engines.wan.memory.rates import Sampled
from soundreel.engines.wan.sampling.latent_preview import MIME_TYPE, preview_jpeg
from soundreel.engines.wan.sampling.pulse import Pulse
from soundreel.engines.wan.sampling.sampler import (
    Predict,
    Solver,
    Step,
    denoise,
    draw_noise,
    guide,
    make_solver,
)
from soundreel.engines.wan.sampling.state import pack_state, unpack_state
from soundreel.engines.wan22_i2v import EXPERTS, Expert
from soundreel.errors import EngineError
from soundreel.events import RunControl, SamplingProgress, StepDone, StepPreview
from soundreel.post.steady import make_steady
from soundreel.timeline.grid import latents_for
from soundreel.types import Chunk, Frame, Plan

Noise = Callable[[tuple[int, ...], int, torch.dtype, torch.device], Tensor]
"""Of `sampler.draw_noise`."""


@dataclass(frozen=True, slots=True)
class Before:
    """State between two passes. picture: the last one, (1, 3, 1, H, W) float32; look: how the take
    looked so far (`post.steady`), empty if that is not asked."""

    picture: Tensor | None = None
    look: bytes = b""

    def to_bytes(self) -> bytes:
        """All of it, exactly, as a safetensors file."""
        return pack_state({"picture": self.picture}, self.look)

    @classmethod
    def from_bytes(cls, state: bytes) -> Before:
        """Raises WorkError if `state` is not one of ours."""
        held, look = unpack_state(state)
        return cls(held.get("picture"), look)


class ImageSession:
    """Renders the passes of a plan in order; see `engines.base.Session`.

    first, last: the pictures that the video begins and ends with, (1, 3, 1, H, W) in -1..1.
    lower: called when the device runs out of memory, see `offload.Residence.lower`.
    noise: draws a pass's noise; tests give recorded noise.
    sampled: of each pass that was made here.
    """

    def __init__(
        self,
        plan: Plan,
        options: WanImageOptions,
        parts: ImageParts,
        first: Tensor | None,
        last: Tensor | None,
        *,
        lower: Callable[[], str | None] = lambda: None,
        noise: Noise = draw_noise,
    ) -> None:
        self._plan, self._options, self._parts = plan, options, parts
        self._first, self._last = first, last
        self._lower, self._noise = lower, noise
        self.sampled: list[Sampled] = []
        self._texts: Mapping[str, Tensor] = {}
        self.steady = make_steady(plan, plan.fps)
        self._before = Before()
        self._vae = parts.vae()
        self._experts: dict[Expert, WanI2VTransformer3DModel] = {}

    def prepare(self, control: RunControl) -> None:
        """Encode the plan's texts. Their encoder is then let go."""
        self._texts = next(retry_lower(lambda: self._encode_texts(control), self._lower, control))
        free_memory()

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """See `engines.base.Session.render`."""
        yield from retry_lower(lambda: self._render(chunk, control), self._lower, control)

    def snapshot(self) -> bytes:
        """What the next pass goes on from; nothing where none follows."""
        return self._before.to_bytes()

    def restore(self, state: bytes) -> None:
        """Raises WorkError if `state` is not one of ours."""
        self._before = Before.from_bytes(state)

    def _encode_texts(self, control: RunControl) -> Iterator[Mapping[str, Tensor]]:
        plan, encoder = self._plan, self._parts.text()
        guided = {shot.index for shot in plan.shots} if self._options.guided else set()
        with memory_errors(), self._parts.resident(encoder.model):
            texts = encode_texts(encoder, plan, guided, control)
        yield {text: encoded.to(self._parts.device) for text, encoded in texts.items()}

    # --- once per pass --------------------------------------------------------------------------

    def _render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        with memory_errors():
            if self.steady is not None:
                self.steady.restore(self._before.look)
                self.steady.enter(chunk)
            pictures = self._picture_latents(chunk, control)
            latents = self._sample(chunk, pictures, control)
            yield from self._frames(chunk, latents, control)

    def _picture_latents(self, chunk: Chunk, control: RunControl) -> Tensor:
        """(1, 20, T, h, w)."""
        first = self._first if chunk.first_slot == 0 else self._before.picture
        if chunk.first_slot and first is None:
            raise EngineError(
                f"part {chunk.index + 1} goes on from the last picture of the one before it, "
                "which is not here",
                hint="render or restore the part before it first",
            )
        last = self._last if self._plan.following(chunk) is None else None
        size, check = self._latent_size(chunk), control.raise_if_cancelled
        with self._parts.resident(self._vae.model):
            made = picture_latents(self._vae, size, first, last, check)
        return made.to(self._parts.device)

    def _sample(self, chunk: Chunk, pictures: Tensor, control: RunControl) -> Tensor:
        """The pass's latents (1, C, T, h, w)."""
        options, parts = self._options, self._parts
        size = (self._vae.latent_channels, *self._latent_size(chunk))
        latents = self._noise(size, chunk.seed, parts.dtype, parts.device)
        solver, start = make_solver(options.sampling), time.monotonic()
        for expert, steps in options.legs.items():
            with self._leg(expert, chunk, pictures, control) as predict, torch.no_grad():
                latents = self._walk(predict, latents, solver, steps, chunk, control)
        seconds = time.monotonic() - start
        self.sampled.append(Sampled(chunk.generated_frames, options.passes, seconds))
        return latents

    def _walk(
        self,
        predict: Predict,
        latents: Tensor,
        solver: Solver,
        steps: slice,
        chunk: Chunk,
        control: RunControl,
    ) -> Tensor:
        for step in denoise(predict, latents, solver, control.raise_if_cancelled, steps):
            self._report(chunk, step, control)
            latents = step.latents
        return latents

    @contextmanager
    def _leg(
        self, expert: Expert, chunk: Chunk, pictures: Tensor, control: RunControl
    ) -> Iterator[Predict]:
        """The guided transformer of some steps, on the device for as long as they take."""
        if expert not in self._experts:
            self._experts[expert] = self._parts.experts[expert]()
        model, options = self._experts[expert], self._options
        shot, size = self._plan.shot(chunk), self._latent_size(chunk)

        def conditioned(text: str) -> Predict:
            given = model.prepare(self._texts[text], size)
            return lambda latents, timestep: model(
                torch.cat([latents, pictures], dim=1), timestep, given
            )

        with self._parts.visit(model), self._pulse(model, expert, chunk, control), torch.no_grad():
            conditional, weaker = conditioned(chunk.prompt), list[tuple[Predict, float]]()
            if options.guided:
                scale = options.sampling.guidance_scale
                weaker.append((conditioned(shot.negative_prompt), scale))
            yield guide(conditional, weaker)

    def _pulse(
        self, model: WanI2VTransformer3DModel, expert: Expert, chunk: Chunk, control: RunControl
    ) -> Pulse:
        """Tells and stops inside the steps; counts over both transformers."""
        options = self._options
        before = sum(options.passes_of(each) for each in EXPERTS[: EXPERTS.index(expert)])
        blocks = len(model.blocks)

        def beat(done: int, _: int) -> None:
            total = options.passes * blocks
            control.emit(SamplingProgress(chunk.index, before * blocks + done, total))
            control.raise_if_cancelled()

        return Pulse(model, model.blocks, options.passes_of(expert), self._parts.device, beat)

    def _frames(self, chunk: Chunk, latents: Tensor, control: RunControl) -> Iterator[Frame]:
        """The plan's pictures. All are decoded where a pass follows, which begins with the last."""
        check, follows = control.raise_if_cancelled, self._plan.following(chunk) is not None
        index, end = chunk.start_frame, chunk.end_frame + chunk.lookahead_frames
        last: Tensor | None = None
        with self._parts.resident(self._vae.model):
            for group in self._vae.decode(latents, int(chunk.first_slot > 0), check):
                if self.steady is not None:
                    group = steadied(group, self.steady)
                for picture in to_rgb(group)[: end - index]:
                    check()
                    yield Frame(index, picture)
                    index += 1
                if follows:
                    last = group[:, :, -1:].cpu().contiguous()
                elif index == end:
                    break
        look = b"" if self.steady is None or not follows else self.steady.snapshot()
        self._before = Before(last, look)

    def _report(self, chunk: Chunk, step: Step, control: RunControl) -> None:
        options = self._options
        steps, every = options.sampling.steps, options.preview_steps
        control.emit(StepDone(chunk.index, step.index, steps))
        if every and (step.index % every == 0 or step.index == steps):
            image = preview_jpeg(step.clean)
            control.emit(StepPreview(chunk.index, step.index, image, MIME_TYPE))

    def _latent_size(self, chunk: Chunk) -> tuple[int, int, int]:
        """(T, h, w) of the pass's latents: of its slots, and of the picture that it begins with."""
        request = self._plan.request
        frames = latents_for(chunk.generated_frames) + 1
        return frames, request.height // SPACE, request.width // SPACE
