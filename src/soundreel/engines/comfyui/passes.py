"""One prompt a pass, whatever it makes: run on the server, its pictures brought and read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from soundreel.engines.comfyui.client.results import (
    NodeStarted,
    Preview,
    Progress,
    Step,
    Streamed,
)
from soundreel.engines.comfyui.client.run import PromptJson
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.errors import PicturesLost
from soundreel.engines.comfyui.graphs.chunk_graph import ChunkPrompt
from soundreel.engines.comfyui.pictures import read_picture
from soundreel.engines.comfyui.preflight import Server
from soundreel.errors import EngineError, RemoteError
from soundreel.events import NodeProgress, Notice, RunControl, StepDone, StepPreview
from soundreel.types import Chunk, Frame, Plan

Files = dict[str, list[bytes]]
MOST_LOST = 2
"""A socket that has lost pictures so often is not asked for more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """shape: the prompt, with names still to be filled in. prompt: puts on the server what it names
    and gives it. limit: bytes that one file of it can have. meanwhile: see `ComfyClient.run`."""

    shape: ChunkPrompt
    prompt: Callable[[], PromptJson]
    limit: int
    meanwhile: Callable[[], None] | None = None


class Passes:
    """Those of one plan on one server. film, factor: how it interpolates between the pictures."""

    def __init__(self, plan: Plan, client: ComfyClient, server: Server[Any]) -> None:
        self._plan, self._client, self._streams = plan, client, server.streams
        self._lost = 0
        by_engine = plan.interpolation.by_engine
        self.film = server.film if by_engine else None
        self.factor = int(plan.interpolation.factor) if by_engine else 1

    def run(
        self, chunk: Chunk, ask: Callable[[bool], Asked], control: RunControl
    ) -> tuple[ChunkPrompt, Files]:
        """The chunk's prompt, run. Its pictures come on the socket, where there is one. Where some
        did not arrive it runs again for files: the server keeps what it has decoded.

        ask: what to run, with pictures on the socket or not.
        """
        if self._streams and self._lost < MOST_LOST and self._client.hears:
            try:
                return self._run(chunk, ask(True), control)
            except PicturesLost as err:
                self._lost += 1
                control.emit(Notice(f"{err.message}: they are fetched as files"))
        return self._run(chunk, ask(False), control)

    def _run(self, chunk: Chunk, asked: Asked, control: RunControl) -> tuple[ChunkPrompt, Files]:
        shape = asked.shape
        files = self._client.run_and_fetch(
            asked.prompt,
            control,
            wanted=shape.with_files,
            streamed=Streamed(shape.pictures, shape.expected) if shape.streamed else None,
            on_progress=_Reporter(chunk, shape, control),
            meanwhile=asked.meanwhile,
            limit=asked.limit,
        )
        return shape, files

    def frames(
        self, chunk: Chunk, shape: ChunkPrompt, files: list[bytes], control: RunControl
    ) -> Iterator[Frame]:
        """The chunk's pictures, in order. Raises RemoteError where they are not what was asked."""
        if len(files) != shape.expected:
            raise RemoteError(
                f"the server made {len(files)} pictures instead of {shape.expected}",
                hint="look into the server's log",
                node_id=shape.pictures,
            )
        factor = self.factor
        first = chunk.start_frame * factor
        if chunk.first_slot > 0:
            first -= factor - 1
        width, height = self._plan.request.width, self._plan.request.height
        for number, file in enumerate(self._shown(chunk, files), first):
            control.raise_if_cancelled()
            name = f"picture {number + 1}"
            yield Frame(number // factor, read_picture(file, width, height, name))

    def _shown(self, chunk: Chunk, files: list[bytes]) -> list[bytes]:
        """A shot of N pictures gives N * factor: after the last one come those on the way to the
        lookahead picture, which is not shown itself, or else the last one again."""
        if self.factor == 1 or self._plan.following(chunk) is not None:
            return files
        return files[:-1] if chunk.lookahead_frames else files + files[-1:] * (self.factor - 1)


def require(there: bool, chunk: Chunk, state: str) -> None:
    """The state that a chunk goes on from. Raises EngineError."""
    if not there:
        raise EngineError(
            f"part {chunk.index + 1} goes on from the one before it, whose last {state} not here",
            hint="render or restore the part before it first",
        )


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
                before, maximum = self._share(node, maximum)
                self._step = before + value
                if value:
                    self._control.emit(StepDone(self._chunk, self._step, maximum))
            case Step(node, value, maximum):
                self._control.emit(NodeProgress(self._chunk, self._name(node), value, maximum))
            case NodeStarted(node):
                self._control.emit(NodeProgress(self._chunk, self._name(node), 0, 0))
            case Preview(node, image, mime) if node in ("", *self._shape.samplers):
                self._control.emit(StepPreview(self._chunk, self._step, image, mime))

    def _share(self, sampler: str, own: int) -> tuple[int, int]:
        """Steps before those of this sampler, and steps in all."""
        steps = self._shape.steps
        if not steps:
            return 0, own
        before = accumulate(steps, initial=0)
        return dict(zip(self._shape.samplers, before, strict=False))[sampler], sum(steps)

    def _name(self, node: str) -> str:
        """The node's title in the graph, or its class."""
        entry = self._shape.prompt.get(node, {})
        title = entry.get("_meta", {}).get("title")
        return str(title or entry.get("class_type", node))
