"""One opened server: renders the chunks of one plan, one prompt each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from soundreel.engines.base import parse_options
from soundreel.engines.comfyui.client.results import (
    NodeStarted,
    Preview,
    Progress,
    Step,
    Streamed,
)
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.errors import PicturesLost
from soundreel.engines.comfyui.graphs.chunk_graph import ChunkInputs, ChunkPrompt, chunk_prompt
from soundreel.engines.comfyui.graphs.template import Template
from soundreel.engines.comfyui.latents import Latents, next_motion, read_latents, write_latents
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.pictures import read_picture, reference_png
from soundreel.engines.comfyui.preflight import Server
from soundreel.engines.comfyui.window import SoundWindows, motion_latents
from soundreel.engines.comfyui.workflow import with_options
from soundreel.engines.wan22 import MOTION_LATENTS
from soundreel.errors import EngineError, RemoteError
from soundreel.events import NodeProgress, Notice, RunControl, StepDone, StepPreview
from soundreel.media.cover import shot_picture
from soundreel.timeline.grid import latents_for
from soundreel.types import Chunk, Frame, Plan

_Files = dict[str, list[bytes]]
MOST_LOST = 2
"""A socket that has lost pictures so often is not asked for more."""


class ComfyUISession:
    """State between chunks: the last 19 latents of the shot, as floats. It is kept here, not on
    the server, so that a server that lost everything can go on."""

    def __init__(
        self, plan: Plan, server: Server, client: ComfyClient, control: RunControl | None = None
    ) -> None:
        self._plan = plan
        self._server = server
        self._client = client
        self._windows = SoundWindows(plan, control)
        self._motion: Latents | None = None
        self._lost = 0
        self._sent: tuple[Path | None, bytes | None] | None = None

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """See engines.base.Session; all of a chunk's pictures come at once, when it is done."""
        if chunk.first_slot == 0:
            self._motion = None
        elif self._motion is None or self._motion.shape[2] != motion_latents(chunk):
            raise EngineError(
                f"part {chunk.index + 1} goes on from the one before it, whose last "
                f"{motion_latents(chunk)} latents are not here",
                hint="render or restore the part before it first",
            )
        control.raise_if_cancelled()
        shape, files = self._made(chunk, control)
        self._client.empty_unused(control)
        yield from self._frames(chunk, shape, files[shape.pictures], control)
        if shape.latents is not None:
            sampled = read_latents(files[shape.latents][0])
            self._motion = next_motion(self._motion, sampled, MOTION_LATENTS)
        else:
            self._motion = None

    def _made(self, chunk: Chunk, control: RunControl) -> tuple[ChunkPrompt, _Files]:
        """The chunk's prompt, run. Its pictures come on the socket, where there is one. Where some
        did not arrive it runs again for files: the server keeps what it has decoded."""
        wav, before = self._windows.wav(chunk)
        if self._server.streams and self._lost < MOST_LOST and self._client.hears:
            try:
                return self._run(chunk, before, wav, control, streamed=True)
            except PicturesLost as err:
                self._lost += 1
                control.emit(Notice(f"{err.message}: they are fetched as files"))
        return self._run(chunk, before, wav, control, streamed=False)

    def _run(
        self, chunk: Chunk, before: int, wav: bytes, control: RunControl, *, streamed: bool
    ) -> tuple[ChunkPrompt, _Files]:
        inputs = replace(self._inputs(chunk, before), streamed=streamed)
        shape = chunk_prompt(self._template(chunk), inputs)
        files = self._client.run_and_fetch(
            lambda: self._prompt(chunk, inputs, wav, control).prompt,
            control,
            wanted=shape.with_files,
            streamed=Streamed(shape.pictures, shape.expected) if streamed else None,
            on_progress=_Reporter(chunk, shape, control),
            limit=_largest_file(inputs),
        )
        return shape, files

    def snapshot(self) -> bytes:
        return b"" if self._motion is None else write_latents(self._motion)

    def restore(self, state: bytes) -> None:
        self._motion = read_latents(state) if state else None

    def _inputs(self, chunk: Chunk, latents_before: int) -> ChunkInputs:
        """The chunk's prompt with names still to be filled in."""
        request, interpolation = self._plan.request, self._plan.interpolation
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
            film=self._server.film if interpolation.by_engine else None,
            factor=int(interpolation.factor) if interpolation.by_engine else 1,
        )

    def _prompt(
        self, chunk: Chunk, inputs: ChunkInputs, wav: bytes, control: RunControl
    ) -> ChunkPrompt:
        """Put everything on the server that the prompt names, unless it is there."""
        upload = partial(self._client.upload, control=control, temporary=True)
        motion = None if self._motion is None else write_latents(self._motion)
        image = self._image(chunk)
        return chunk_prompt(
            self._template(chunk),
            replace(
                inputs,
                sound=upload(wav, ".wav"),
                image=None if image is None else upload(image, ".png"),
                motion=None if motion is None else upload(motion, ".latent"),
            ),
        )

    def _image(self, chunk: Chunk) -> bytes | None:
        """The shot's, as it goes to the server; the last one is kept."""
        shot = self._plan.shot(chunk)
        if self._sent is None or self._sent[0] != shot.image:
            image = shot_picture(self._plan, shot)
            self._sent = (shot.image, None if image is None else reference_png(image))
        return self._sent[1]

    def _template(self, chunk: Chunk) -> Template:
        """The server's, with the options of the chunk's shot."""
        options = self._plan.shot(chunk).options
        if not options:
            return self._server.template
        return with_options(self._server.template, parse_options(ComfyUIOptions, options))

    def _frames(
        self, chunk: Chunk, shape: ChunkPrompt, files: list[bytes], control: RunControl
    ) -> Iterator[Frame]:
        if len(files) != shape.expected:
            raise RemoteError(
                f"the server made {len(files)} pictures instead of {shape.expected}",
                hint="look into the server's log",
                node_id=shape.pictures,
            )
        interpolation = self._plan.interpolation
        factor = int(interpolation.factor) if interpolation.by_engine else 1
        first = chunk.start_frame * factor
        if chunk.first_slot > 0:
            first -= factor - 1
        width, height = self._plan.request.width, self._plan.request.height
        for number, file in enumerate(self._shown(chunk, files, factor), first):
            control.raise_if_cancelled()
            name = f"picture {number + 1}"
            yield Frame(number // factor, read_picture(file, width, height, name))

    def _shown(self, chunk: Chunk, files: list[bytes], factor: int) -> list[bytes]:
        """A shot of N pictures gives N * factor: after the last one come those on the way to the
        lookahead picture, which is not shown itself, or else the last one again."""
        if factor == 1 or self._plan.following(chunk) is not None:
            return files
        return files[:-1] if chunk.lookahead_frames else files + files[-1:] * (factor - 1)


def _largest_file(inputs: ChunkInputs) -> int:
    """Bytes that one file of this prompt can have at most: a picture of noise, or the latents as
    floats of 64 bits; beside either the server writes the whole graph."""
    picture = 4 * inputs.width * inputs.height
    latents = 8 * 16 * inputs.latents * (inputs.width // 8) * (inputs.height // 8)
    return max(picture, latents) + (16 << 20)


class _Reporter:
    """Turns the client's progress into events of this chunk: sampling by its steps, every other
    node by its title and what it says of itself."""

    def __init__(self, chunk: Chunk, shape: ChunkPrompt, control: RunControl) -> None:
        self._chunk = chunk.index
        self._shape = shape
        self._control = control
        self._step = 0

    def __call__(self, progress: Progress) -> None:
        match progress:
            case Step(node, value, maximum) if node in self._shape.samplers:
                self._step = value
                if value:
                    self._control.emit(StepDone(self._chunk, value, maximum))
            case Step(node, value, maximum):
                self._control.emit(NodeProgress(self._chunk, self._name(node), value, maximum))
            case NodeStarted(node):
                self._control.emit(NodeProgress(self._chunk, self._name(node), 0, 0))
            case Preview(node, image, mime) if node in ("", *self._shape.samplers):
                self._control.emit(StepPreview(self._chunk, self._step, image, mime))

    def _name(self, node: str) -> str:
        """The node's title in the graph, or its class."""
        entry = self._shape.prompt.get(node, {})
        title = entry.get("_meta", {}).get("title")
        return str(title or entry.get("class_type", node))
