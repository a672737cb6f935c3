"""One plan, chunk after chunk, on the Wan 2.2 S2V model.

A chunk of n generated pictures, all sizes in latents (h = H/8, w = W/8):

    sound      (1, 25, width, n)          rows of n pictures, 16 a second
    reference  (1, 16, 1, h, w)           none without an image
    motion     (1, 16, 19, h, w)          the 73 pictures before; none at the head of a shot
    pose       (1, 16, T, h, w)           none without a pose video
    noise      (1, 16, T, h, w)           T = ceil((n + 73) / 4) - 19
    latents    (1, 16, T, h, w)           after the last sampling step
    pictures   the last n of decode([reference or motion | latents]), less the dropped ones; with
               `carry_decoder` and past a shot's head, of decode(latents) where the one before ended

Source: Wan-Video/Wan2.2 at 42bf4cf, wan/speech2video.py, and what `reference_timing` is about:
soundreel's plan starts the sound as much earlier as pictures are dropped, and makes chunks of any
length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from soundreel.engines.wan.components import Components
from soundreel.engines.wan.encoders.border import Border, border_behind
from soundreel.engines.wan.encoders.colour import steadied
from soundreel.engines.wan.encoders.inputs import (
    Inputs,
    Reference,
    encode_references,
    encode_sounds,
    encode_texts,
    masks_of,
)
from soundreel.engines.wan.encoders.pictures import PoseVideo, open_pose_video, to_rgb
from soundreel.engines.wan.encoders.sound import Sound
from soundreel.engines.wan.encoders.vae import SPACE, DecoderState
from soundreel.engines.wan.memory.offload import free_memory, memory_errors, retry_lower
from soundreel.engines.wan.memory.rates import Sampled
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.motion import Motion, survivors
from soundreel.engines.wan.options import WanOptions, options_of
from soundreel.engines.wan.sampling.latent_preview import MIME_TYPE, preview_jpeg
from soundreel.engines.wan.sampling.pulse import Pulse
from soundreel.engines.wan.sampling.sampler import (
    Predict,
    Step,
    denoise,
    draw_noise,
    guide,
    make_solver,
)
from soundreel.engines.wan.sampling.step_cache import StepCache
from soundreel.engines.wan22 import MOTION_FRAMES
from soundreel.errors import EngineError
from soundreel.events import RunControl, SamplingProgress, StepDone, StepPreview
from soundreel.post.steady import make_steady
from soundreel.timeline.grid import FRAMES_PER_LATENT, latents_for
from soundreel.types import Chunk, Frame, Plan

INIT_FRAMES = 6
"""Last pictures of the motion buffer that `init_first_frame` fills with the reference image."""

Noise = Callable[[tuple[int, ...], int, torch.dtype, torch.device], Tensor]
"""Of `sampler.draw_noise`."""


class WanSession:
    """Renders the chunks of a plan in order; see `engines.base.Session`.

    lower: called when the device runs out of memory: makes room and gives the sentence to say, or
        None where nothing is left to do (`offload.Residence.lower`).
    noise: draws a chunk's noise; tests give recorded noise.
    sound, pose: the plan's own, unless given.
    motion_frames: pictures handed from chunk to chunk.
    sampled: of each chunk that was made here.
    """

    def __init__(
        self,
        plan: Plan,
        options: WanOptions,
        parts: Components,
        *,
        lower: Callable[[], str | None] = lambda: None,
        noise: Noise = draw_noise,
        sound: Sound | None = None,
        pose: PoseVideo | None = None,
        motion_frames: int = MOTION_FRAMES,
    ) -> None:
        self._plan, self._options, self._parts = plan, options, parts
        self._lower = lower
        self._noise, self._sound, self._pose = noise, sound, pose
        self._motion_frames = motion_frames
        self.sampled: list[Sampled] = []
        self.steady = make_steady(plan, plan.fps)
        self._motion = Motion()
        self._border: Border | None = None
        self._inputs: Inputs | None = None
        self._vae = parts.vae()
        self._transformer: WanS2VTransformer3DModel | None = None

    def prepare(self, control: RunControl) -> None:
        """Encode what the whole plan shares. The text and sound encoders are then let go."""
        if self._options.pose_video is not None and self._pose is None:
            request, official = self._plan.request, self._options.reference_timing
            self._pose = open_pose_video(
                self._options.pose_video,
                request.width,
                request.height,
                self._plan.fps,
                official=official,
            )
        attempts = retry_lower(lambda: self._encode_inputs(control), self._lower, control)
        self._inputs = next(attempts)

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """See `engines.base.Session.render`."""
        yield from retry_lower(lambda: self._render(chunk, control), self._lower, control)

    def _render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        with memory_errors():
            if chunk.first_slot == 0:
                self._motion = self._first_motion(chunk, control)
            elif self._motion.latents is None:
                raise EngineError(
                    f"part {chunk.index + 1} goes on from the one before it, whose motion is not "
                    "here",
                    hint="render or restore the part before it first",
                )
            self._motion = self._motion.resting(self._parts.resting())  # also after `lower`
            if self.steady is not None:
                self.steady.restore(self._motion.look)
                self.steady.enter(chunk)
            latents = self._sample(chunk, control)
            recent: list[Tensor] = []
            yield from self._frames(chunk, self._decode(chunk, latents, control), recent, control)
            self._motion = self._next_motion(chunk, recent, control)

    def snapshot(self) -> bytes:
        """The motion latents, and those float pictures that a later chunk's motion still holds."""
        return self._motion.to_bytes()

    def restore(self, state: bytes) -> None:
        self._motion = Motion.from_bytes(state, self._parts.device)

    # --- once per plan --------------------------------------------------------------------------

    def _encode_inputs(self, control: RunControl) -> Iterator[Inputs]:
        with memory_errors():
            masks = masks_of(self._plan, official=self._options.reference_timing)
            texts = self._encode_texts(control)
            free_memory()
            control.raise_if_cancelled()
            references = self._encode_references(control)
            parts, sound = self._parts, self._sound
            sounds = encode_sounds(parts.audio(), self._plan, parts.resident, control, sound)
            control.raise_if_cancelled()
        yield Inputs(texts, sounds, references, masks)

    def _encode_texts(self, control: RunControl) -> dict[str, Tensor]:
        plan, encoder = self._plan, self._parts.text()
        each = ((shot.index, options_of(plan, shot, self._options)) for shot in plan.shots)
        guided = {index for index, options in each if options.guides_text}
        with self._parts.resident(encoder.model):
            texts = encode_texts(encoder, plan, guided, control)
        return {text: encoded.to(self._parts.device) for text, encoded in texts.items()}

    def _encode_references(self, control: RunControl) -> dict[Path | None, Reference]:
        official, device = self._options.reference_timing, self._parts.device
        with self._parts.resident(self._vae.model):
            found = encode_references(self._vae, self._plan, control, official=official)
        return {path: replace(one, latents=one.latents.to(device)) for path, one in found.items()}

    # --- once per chunk -------------------------------------------------------------------------

    def _sample(self, chunk: Chunk, control: RunControl) -> Tensor:
        """The chunk's latents (1, C, T, h, w)."""
        parts, options = self._parts, self._options_of(chunk)
        size = self._latent_size(chunk)
        pose = self._pose_latents(chunk, control)
        channels = self._vae.latent_channels
        noise = self._noise((channels, *size), chunk.seed, parts.dtype, parts.device)
        if self._transformer is None:
            self._transformer = parts.transformer()
        model = self._transformer
        pulse = self._pulse(model, chunk, control)
        cache = self._step_cache(chunk, pulse)
        with parts.resident(model), torch.no_grad():
            predict = self._predictor(model, chunk, size, pose, cache)
            solver = make_solver(options.sampling)
            start = time.monotonic()
            with pulse:
                for step in denoise(predict, noise, solver, control.raise_if_cancelled):
                    self._report(chunk, step, control)
            seconds = time.monotonic() - start
        computed = options.passes - (cache.reused if cache is not None else 0)
        self.sampled.append(Sampled(chunk.generated_frames, computed, seconds))
        return step.latents

    def _step_cache(self, chunk: Chunk, pulse: Pulse) -> StepCache | None:
        """A fresh one for each chunk."""
        caching, steps = self._options.caching, self._options_of(chunk).sampling.steps
        return None if caching is None else StepCache(caching.threshold, steps, pulse.skip)

    def _options_of(self, chunk: Chunk) -> WanOptions:
        return options_of(self._plan, self._plan.shot(chunk), self._options)

    def _pulse(self, model: WanS2VTransformer3DModel, chunk: Chunk, control: RunControl) -> Pulse:
        """Tells and stops inside the steps."""

        def beat(done: int, total: int) -> None:
            control.emit(SamplingProgress(chunk.index, done, total))
            control.raise_if_cancelled()

        passes = self._options_of(chunk).passes
        return Pulse(model, model.blocks, passes, self._parts.device, beat)

    def _predictor(
        self,
        model: WanS2VTransformer3DModel,
        chunk: Chunk,
        size: tuple[int, int, int],
        pose: Tensor | None,
        cache: StepCache | None,
    ) -> Predict:
        """The guided transformer, with all that the sampling steps share computed once."""
        inputs, shot = self._ready, self._plan.shot(chunk)
        reference, options = self._reference(chunk), self._options_of(chunk)
        device, masks = self._parts.device, inputs.masks.get(shot.index)
        sounds = inputs.sound(shot, self._first_picture(chunk), chunk.generated_frames)
        sounds = [each.to(device) for each in sounds]

        def conditioned(
            text: Tensor, features: Sequence[Tensor], masks: Tensor | None = None
        ) -> Predict:
            conditioning = model.prepare(
                text,
                features,
                latent_size=size,
                reference_latents=None if reference is None else reference.latents,
                motion_latents=self._motion.latents,
                pose_latents=pose,
                motion_frames=self._motion_frames,
                audio_masks=masks if masks is None else masks.to(device),
            )
            return lambda latents, timestep: model(latents, timestep, conditioning).sample

        model.set_audio_strength(options.audio_strength)
        conditional = conditioned(inputs.texts[chunk.prompt], sounds, masks)
        if cache is not None:
            conditional = cache.leading(conditional)
        if not any(options.guided_steps):
            return conditional
        prompts, weaker = {"prompt": chunk.prompt, "nothing": shot.negative_prompt}, []
        for guidance in options.guidance:
            text = inputs.texts[prompts[guidance.keeps]]
            silent = conditioned(text, [torch.zeros_like(sounds[0])])
            weaker.append((cache.following(silent) if cache else silent, guidance.scale))
        return guide(conditional, weaker, options.guided_steps)

    def _pose_latents(self, chunk: Chunk, control: RunControl) -> Tensor | None:
        """(1, C, T, h, w): the first picture is put once more in front, its latent is dropped."""
        if self._pose is None:
            return None
        # What is generated before the shot begins has the pose of its beginning.
        first = self._first_picture(chunk) - self._plan.geometry.lead_in_frames
        pixels = self._pose.pixels(first, chunk.generated_frames)
        pixels = torch.cat([pixels[:, :, :1], pixels], dim=2)
        with self._parts.resident(self._vae.model):
            latents = self._vae.encode(pixels, control.raise_if_cancelled)[:, :, 1:]
        return latents.to(self._parts.device)

    def _decode(self, chunk: Chunk, latents: Tensor, control: RunControl) -> Iterator[Tensor]:
        """The chunk's pictures less the dropped ones, (1, 3, k, H, W) each, as they are ready."""
        border, check = self._motion.border, control.raise_if_cancelled
        if border is None:
            latents = self._after_context(chunk, latents)
        # Without anything in front, the first latent frame is 1 picture: 3 are dropped already.
        decoded = latents.shape[2] * FRAMES_PER_LATENT - (3 if border is None else 0)
        skip = max(0, decoded - chunk.generated_frames + chunk.dropped_frames)
        with self._parts.resident(self._vae.model):
            state = border.state_for(self._vae, self._parts.device, check) if border else None
            state = state or DecoderState()
            yield from self._vae.decode(latents, skip, check, state)
        if self._options.carry_decoder:
            self._border = border_behind(border, latents, state).resting(self._parts.resting())

    def _after_context(self, chunk: Chunk, latents: Tensor) -> Tensor:
        """The latents with those in front of them that the decoder sees first."""
        before, reference = self._motion.latents, self._reference(chunk)
        if before is None and reference is not None:
            before = reference.latents
        return latents if before is None else torch.cat([before, latents], dim=2)

    def _frames(
        self, chunk: Chunk, decoded: Iterator[Tensor], recent: list[Tensor], control: RunControl
    ) -> Iterator[Frame]:
        """The plan's pictures; all decoded ones go to `recent` if another chunk follows on them."""
        index, end = chunk.start_frame, chunk.end_frame + chunk.lookahead_frames
        follows = self._plan.following(chunk) is not None
        for group in decoded:
            if self.steady is not None:
                group = steadied(group, self.steady)
            if follows:
                recent.append(group.cpu())
            for picture in to_rgb(group)[: end - index]:
                control.raise_if_cancelled()
                yield Frame(index, picture)
                index += 1
            if index == end and not follows:
                return

    def _report(self, chunk: Chunk, step: Step, control: RunControl) -> None:
        options = self._options_of(chunk)
        steps, every = options.sampling.steps, options.preview_steps
        control.emit(StepDone(chunk.index, step.index, steps))
        if every and (step.index % every == 0 or step.index == steps):
            image = preview_jpeg(step.clean)
            control.emit(StepPreview(chunk.index, step.index, image, MIME_TYPE))

    # --- motion ---------------------------------------------------------------------------------

    def _first_motion(self, chunk: Chunk, control: RunControl) -> Motion:
        """Before a shot: latents only where no picture is dropped (`init_first_frame`)."""
        request, reference = self._plan.request, self._reference(chunk)
        buffer = torch.zeros(1, 3, self._motion_frames, request.height, request.width)
        if reference is not None and self._options.init_first_frame:
            buffer[:, :, -INIT_FRAMES:] = reference.pixels
        if chunk.dropped_frames:
            return Motion(None, survivors(self._plan, chunk, buffer))
        return self._encoded_motion(chunk, buffer, control)

    def _next_motion(self, chunk: Chunk, recent: list[Tensor], control: RunControl) -> Motion:
        """After a chunk; empty where nothing follows, so nothing is encoded for nothing."""
        following = self._plan.following(chunk)
        if following is None:
            return Motion()
        assert self._motion.pictures is not None
        buffer = torch.cat([self._motion.pictures, *recent], dim=2)[:, :, -self._motion_frames :]
        motion = self._encoded_motion(following, buffer, control)
        look = b"" if self.steady is None else self.steady.snapshot()
        return replace(motion, border=self._border, look=look)

    def _encoded_motion(self, chunk: Chunk, buffer: Tensor, control: RunControl) -> Motion:
        with self._parts.resident(self._vae.model):
            latents = self._vae.encode(buffer, control.raise_if_cancelled)
        return Motion(latents.to(self._parts.device), survivors(self._plan, chunk, buffer))

    # --- sizes ----------------------------------------------------------------------------------

    @property
    def _ready(self) -> Inputs:
        assert self._inputs is not None, "prepare() comes first"
        return self._inputs

    def _reference(self, chunk: Chunk) -> Reference | None:
        return self._ready.references.get(self._plan.shot(chunk).image)

    def _first_picture(self, chunk: Chunk) -> int:
        """The chunk's first generated picture, counted from the beginning of the driving sound."""
        plan = self._plan
        return int((plan.sound_start(chunk) - plan.sound_start(plan.chunks[0])) * plan.fps)

    def _latent_size(self, chunk: Chunk) -> tuple[int, int, int]:
        """(T, h, w) of the chunk's latents."""
        request, before = self._plan.request, self._motion_frames
        frames = latents_for(before + chunk.generated_frames) - latents_for(before)
        return frames, request.height // SPACE, request.width // SPACE
