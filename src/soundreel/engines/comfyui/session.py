"""One opened server: renders the chunks of one plan, one prompt each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from soundreel.engines.base import parse_options
from soundreel.engines.comfyui.ahead import Sending, Sent
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, ChunkPrompt, chunk_prompt
from soundreel.engines.comfyui.graphs.template import Template
from soundreel.engines.comfyui.hearing.window import motion_latents
from soundreel.engines.comfyui.latents import Latents, next_motion, read_latents, write_latents
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.passes import Asked, Passes, require
from soundreel.engines.comfyui.pictures import WRITTEN_BESIDE, largest_picture
from soundreel.engines.comfyui.preflight import Server
from soundreel.engines.comfyui.workflow import with_options
from soundreel.engines.wan22 import MOTION_LATENTS
from soundreel.events import RunControl
from soundreel.timeline.grid import latents_for
from soundreel.types import Chunk, Frame, Plan


class ComfyUISession:
    """State between chunks: the last 19 latents of the shot, as floats. It is kept here, not on
    the server, so that a server that lost everything can go on."""

    def __init__(
        self,
        plan: Plan,
        server: Server[Template],
        client: ComfyClient,
        sending: Sending | None = None,
    ) -> None:
        self._plan = plan
        self._server = server
        self._client = client
        self._sending = sending or Sending(plan)
        self._motion: Latents | None = None
        self._passes = Passes(plan, client, server)

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """See engines.base.Session; all of a chunk's pictures come at once, when it is done."""
        if chunk.first_slot == 0:
            self._motion = None
        else:
            count = motion_latents(chunk)
            there = self._motion is not None and self._motion.shape[2] == count
            require(there, chunk, f"{count} latents are")
        control.raise_if_cancelled()
        sent = self._sending.take(chunk)
        shape, files = self._passes.run(
            chunk,
            lambda streamed: self._asked(chunk, sent, control, streamed=streamed),
            control,
        )
        yield from self._passes.frames(chunk, shape, files[shape.pictures], control)
        if shape.latents is not None:
            sampled = read_latents(files[shape.latents][0])
            self._motion = next_motion(self._motion, sampled, MOTION_LATENTS)
        else:
            self._motion = None

    def _asked(self, chunk: Chunk, sent: Sent, control: RunControl, *, streamed: bool) -> Asked:
        inputs = replace(self._inputs(chunk, sent.before), streamed=streamed)
        shape = chunk_prompt(self._template(chunk), inputs)
        return Asked(
            shape,
            lambda: self._prompt(chunk, inputs, sent, control).prompt,
            _largest_file(inputs),
            partial(self._sending.look_ahead, chunk),
        )

    def snapshot(self) -> bytes:
        return b"" if self._motion is None else write_latents(self._motion)

    def restore(self, state: bytes) -> None:
        self._motion = read_latents(state) if state else None

    def _inputs(self, chunk: Chunk, latents_before: int) -> ChunkInputs:
        """The chunk's prompt with names still to be filled in."""
        request = self._plan.request
        shot = self._plan.shot(chunk)
        return ChunkInputs(
            width=request.width,
            height=request.height,
            latents=latents_for(chunk.generated_frames),
            pictures=chunk.num_frames + chunk.lookahead_frames,
            sound="",
            image="" if self._plan.shows_picture(shot) else None,
            motion=None if self._motion is None else "",
            motion_latents=motion_latents(chunk),
            latents_before=latents_before,
            positive=chunk.prompt,
            negative=shot.negative_prompt,
            seed=chunk.seed,
            keep_latents=self._plan.following(chunk) is not None,
            film=self._passes.film,
            factor=self._passes.factor,
        )

    def _prompt(
        self, chunk: Chunk, inputs: ChunkInputs, sent: Sent, control: RunControl
    ) -> ChunkPrompt:
        """Put everything on the server that the prompt names, unless it is there."""
        upload = partial(self._client.upload, control=control, temporary=True)
        motion = None if self._motion is None else write_latents(self._motion)
        return chunk_prompt(
            self._template(chunk),
            replace(
                inputs,
                sound=upload(sent.wav, ".wav"),
                image=None if sent.image is None else upload(sent.image, ".png"),
                motion=None if motion is None else upload(motion, ".latent"),
            ),
        )

    def _template(self, chunk: Chunk) -> Template:
        """The server's, with the options of the chunk's shot."""
        options = self._plan.shot(chunk).options
        if not options:
            return self._server.template
        return with_options(self._server.template, parse_options(ComfyUIOptions, options))


def _largest_file(inputs: ChunkInputs) -> int:
    """Bytes that one file of this prompt can have at most: a picture, or the latents as floats of
    64 bits; beside either the server writes the whole graph."""
    latents = 8 * 16 * inputs.latents * (inputs.width // 8) * (inputs.height // 8)
    return max(largest_picture(inputs.width, inputs.height), latents + WRITTEN_BESIDE)
