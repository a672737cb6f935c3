"""One opened server: renders the passes of one video of an image, one prompt each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.graphs.chunk_graph import ChunkPrompt
from soundreel.engines.comfyui.graphs.i2v_graph import PassInputs, PassTemplate, pass_prompt
from soundreel.engines.comfyui.passes import Asked, Passes, require
from soundreel.engines.comfyui.pictures import largest_picture, picture_png
from soundreel.engines.comfyui.preflight import Server
from soundreel.events import RunControl
from soundreel.post.picture import given_picture
from soundreel.types import Chunk, Frame, ImageRequest, Plan


class ComfyUIImageSession:
    """State between passes: the last picture, as the server sent it. It is kept here, so that a
    server that lost everything can go on."""

    def __init__(self, plan: Plan, server: Server[PassTemplate], client: ComfyClient) -> None:
        assert isinstance(plan.request, ImageRequest)
        self._plan, self._request = plan, plan.request
        self._server, self._client = server, client
        self._passes = Passes(plan, client, server)
        self._last: bytes | None = None

    def render(self, chunk: Chunk, control: RunControl) -> Iterator[Frame]:
        """See engines.base.Session; all of a pass's pictures come at once, when it is done."""
        goes_on = chunk.first_slot > 0
        require(not goes_on or self._last is not None, chunk, "picture is")
        control.raise_if_cancelled()
        first = self._last if goes_on else self._given(self._request.first_picture)
        ends = self._plan.following(chunk) is None
        last = self._given(self._request.last_picture) if ends else None
        inputs = self._inputs(chunk, has_first=first is not None, has_last=last is not None)
        shape, files = self._passes.run(
            chunk,
            lambda streamed: self._asked(replace(inputs, streamed=streamed), first, last, control),
            control,
        )
        yield from self._passes.frames(chunk, shape, files[shape.pictures], control)
        self._last = files[shape.pictures][-1]

    def snapshot(self) -> bytes:
        return self._last or b""

    def restore(self, state: bytes) -> None:
        self._last = state or None

    def _given(self, path: Path | None) -> bytes | None:
        return None if path is None else picture_png(given_picture(path, self._request))

    def _inputs(self, chunk: Chunk, *, has_first: bool, has_last: bool) -> PassInputs:
        """The pass's prompt with names still to be filled in."""
        return PassInputs(
            width=self._request.width,
            height=self._request.height,
            length=chunk.generated_frames + self._plan.geometry.head_frames,
            pictures=chunk.num_frames + chunk.lookahead_frames,
            first="" if has_first else None,
            last="" if has_last else None,
            goes_on=chunk.first_slot > 0,
            positive=chunk.prompt,
            negative=self._plan.shot(chunk).negative_prompt,
            seed=chunk.seed,
            film=self._passes.film,
            factor=self._passes.factor,
        )

    def _asked(
        self, inputs: PassInputs, first: bytes | None, last: bytes | None, control: RunControl
    ) -> Asked:
        """What the prompt names is put on the server when it is sent, unless it is there."""
        upload = partial(self._client.upload, suffix=".png", control=control, temporary=True)

        def named() -> ChunkPrompt:
            begin = None if first is None else upload(first)
            end = None if last is None else upload(last)
            return pass_prompt(self._server.template, replace(inputs, first=begin, last=end))

        shape = pass_prompt(self._server.template, inputs)
        limit = largest_picture(inputs.width, inputs.height)
        return Asked(shape, lambda: named().prompt, limit)
