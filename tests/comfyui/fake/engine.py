"""Queue, cache, execution and messages of the fake server, in the order that recordings show."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
import string
import struct
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from comfyui.fake.disk import Disk
from comfyui.fake.faults import Faults
from comfyui.fake.nodes import Context, annotated, execute
from comfyui.fake.validation import is_link
from comfyui.fake.values import NodeError

_FILE_LOADERS = {"LoadAudio": "audio", "LoadImage": "image", "LoadLatent": "latent"}
_NEVER_CACHED = frozenset({"SaveImageWebsocket"})


class Interrupted(Exception):
    """The interrupt flag was seen."""


class Killed(BaseException):
    """The process died here."""


@dataclass(order=True)
class Job:
    """A prompt in the queue; `seconds` is set for another user's job, which only takes time."""

    number: float
    prompt_id: str = field(compare=False)
    graph: dict[str, Any] = field(compare=False)
    extra: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)
    seconds: float | None = field(default=None, compare=False)

    @property
    def client_id(self) -> str | None:
        return self.extra.get("client_id")

    def row(self) -> list[Any]:
        return [self.number, self.prompt_id, self.graph, self.extra, self.outputs]


Send = Callable[[str, Mapping[str, Any], str | None], Awaitable[None]]
"""(type, data, client id or None for all)"""


SendPreview = Callable[[bytes, Mapping[str, Any], str | None, bool], Awaitable[None]]
"""(picture, about, client id or None, whether to those clients that asked for metadata)"""


class FakeEngine:
    """One process's worth of state: a restart makes a new one, keeping input and output files."""

    def __init__(
        self,
        files: Disk,
        faults: Faults,
        send: Send,
        send_preview: SendPreview,
        *,
        newer: bool = False,
    ) -> None:
        self.files, self.faults, self.newer = files, faults, newer
        self._send, self._send_preview = send, send_preview
        self.pending: list[Job] = []
        self.running: Job | None = None
        self.history: dict[str, Any] = {}
        self.last_node: str | None = None
        self.executed_nodes: list[tuple[str, str]] = []
        self._numbers = itertools.count()
        self._cache: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self._interrupted = False
        self._wake = asyncio.Event()
        letters = random.Random(uuid.uuid4().int).choices(string.ascii_lowercase, k=5)
        self._temp_prefix = "ComfyUI_temp_" + "".join(letters)

    # -- queue ---------------------------------------------------------------------------------

    async def put(
        self,
        graph: dict[str, Any],
        outputs: list[str],
        extra: dict[str, Any],
        prompt_id: str,
        seconds: float | None = None,
    ) -> Job:
        job = Job(next(self._numbers), prompt_id, graph, extra, outputs, seconds)
        self.pending.append(job)
        await self.send_status()
        self._wake.set()
        return job

    async def delete(self, prompt_ids: list[str]) -> None:
        kept = [job for job in self.pending if job.prompt_id not in prompt_ids]
        if len(kept) != len(self.pending):
            self.pending = kept
            await self.send_status()

    def interrupt(self, prompt_id: str | None) -> None:
        running = self.running
        if running is None or (prompt_id is not None and running.prompt_id != prompt_id):
            return
        if self.faults.ignored_interrupts:
            self.faults.ignored_interrupts -= 1
            return
        self._interrupted = True

    async def send_status(self) -> None:
        remaining = len(self.pending) + (self.running is not None)
        status = {"status": {"exec_info": {"queue_remaining": remaining}}}
        await self._send("status", status, None)

    async def work(self) -> None:
        """Run jobs for ever."""
        while True:
            while not self.pending:
                self._wake.clear()
                await self._wake.wait()
            job = min(self.pending)
            self.pending.remove(job)
            self.running = job
            await self.send_status()
            entry = await self._run(job)
            self.history[job.prompt_id] = entry
            self.running = None
            await self.send_status()
            if job.client_id is not None:
                data = {"node": None, "prompt_id": job.prompt_id}
                await self._send("executing", data, job.client_id)

    # -- execution -----------------------------------------------------------------------------

    async def _run(self, job: Job) -> dict[str, Any]:
        self._interrupted = False
        run = _Run(self, job)
        try:
            if job.seconds is not None:
                await self._sleep_through(job)
            else:
                await run.execute()
        except Interrupted:
            await run.finish("execution_interrupted", run.failure(), ok=False)
        except NodeError as err:
            about = {
                "exception_message": str(err),
                "exception_type": err.kind,
                "traceback": [],
                "current_inputs": {},
                "current_outputs": list(job.graph),
            }
            await run.finish("execution_error", {**run.failure(), **about}, ok=False)
        self.last_node = None
        return run.entry()

    async def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            if self._interrupted:
                raise Interrupted
            await asyncio.sleep(min(0.01, seconds))
            if time.monotonic() >= end:
                return

    async def _sleep_through(self, job: Job) -> None:
        begun = time.monotonic()
        while job.seconds is not None and time.monotonic() < begun + job.seconds:
            await self._sleep(0.01)


class _Run:
    """One job on its way through the nodes."""

    def __init__(self, engine: FakeEngine, job: Job) -> None:
        self.engine, self.job = engine, job
        self.messages: list[Any] = []
        self.ui: dict[str, Any] = {}
        self.ok = True
        self._progress: dict[str, dict[str, Any]] = {}
        self._done: list[str] = []
        self._node = ""
        self._signatures: dict[str, str] = {}
        self._values: dict[str, tuple[Any, ...]] = {}

    def entry(self) -> dict[str, Any]:
        state = "success" if self.ok else "error"
        status = {"status_str": state, "completed": self.ok, "messages": self.messages}
        meta = {
            node: {"node_id": node, "display_node": node, "parent_node": None, "real_node_id": node}
            for node in self.ui
        }
        return {"prompt": self.job.row(), "outputs": self.ui, "status": status, "meta": meta}

    def failure(self) -> dict[str, Any]:
        kind = self.job.graph.get(self._node, {}).get("class_type", "")
        return {"node_id": self._node, "node_type": kind, "executed": self._done}

    async def finish(self, event: str, data: Mapping[str, Any], *, ok: bool = True) -> None:
        self.ok = ok
        self.ui = self.ui if ok else {}
        await self._tell(event, data)

    async def execute(self) -> None:
        engine, graph = self.engine, self.job.graph
        await self._tell("execution_start", {})
        order = self._order()
        for node in order:
            self._signatures[node] = self._signature(node)
        known = {self._signatures[node] for node in order}
        engine._cache = {key: kept for key, kept in engine._cache.items() if key in known}
        cached = [node for node in order if self._signatures[node] in engine._cache]
        await self._tell("execution_cached", {"nodes": cached})
        for node in cached:
            self._values[node], ui = engine._cache[self._signatures[node]]
            if ui is not None and node in self.job.outputs:
                await self._report(node, ui)
                await self._set_progress(node, 1.0, 1.0, "finished")
        needed = self._needed(cached)
        for node in order:
            if node in needed:
                await self._execute_node(node, graph[node])
        await self.finish("execution_success", {})

    async def _execute_node(self, node: str, spec: Mapping[str, Any]) -> None:
        engine = self.engine
        self._node = node
        if engine._interrupted:
            raise Interrupted
        await self._set_progress(node, 0.0, 1.0, "running")
        engine.last_node = node
        if self.job.client_id is not None:
            await self._send("executing", {"node": node, "display_node": node})
        engine.executed_nodes.append((self.job.prompt_id, node))
        kind = spec["class_type"]
        if engine.faults.fail_node and engine.faults.fail_node[0] == kind:
            raise NodeError(*engine.faults.fail_node[1:])
        if kind == "VAEDecode" and engine.faults.decode_seconds:
            pause = engine._sleep if engine.newer else asyncio.sleep
            await pause(engine.faults.decode_seconds)
        try:
            outputs, ui = await execute(kind, self._inputs(spec), self._context(node))
        except (NodeError, Interrupted):
            raise
        except Exception as err:
            raise NodeError(type(err).__name__, str(err)) from err
        self._values[node] = outputs
        if kind not in _NEVER_CACHED:
            engine._cache[self._signatures[node]] = (outputs, ui)
        self._done.append(node)
        if ui is not None:
            await self._report(node, ui)
        last = self._progress[node]
        await self._set_progress(node, last["max"], last["max"], "finished")

    async def _report(self, node: str, ui: Mapping[str, Any]) -> None:
        self.ui[node] = ui
        if self.job.client_id is not None:
            await self._send("executed", {"node": node, "display_node": node, "output": ui})

    def _context(self, node: str) -> Context:
        async def tick(value: int, maximum: int) -> None:
            await self.engine._sleep(self.engine.faults.step_seconds)
            await self._set_progress(node, value, maximum, "running")
            await self._step(node, value, maximum)

        async def send_picture(png: bytes, number: int, count: int) -> None:
            await self._set_progress(node, number, count, "running")
            await self._tell_step(node, number, count, png)

        return Context(self.engine.files, tick, send_picture, self.engine._temp_prefix)

    async def _step(self, node: str, value: int, maximum: int) -> None:
        picture = np.full((16, 16, 3), 255 * value // maximum, np.uint8)
        await self._tell_step(node, value, maximum, bytes(cv2.imencode(".jpg", picture)[1]))

    async def _tell_step(self, node: str, value: int, maximum: int, image: bytes) -> None:
        data = {"value": value, "max": maximum, "prompt_id": self.job.prompt_id, "node": node}
        await self._preview(node, image, metadata=True)
        await self.engine._send("progress", data, self.job.client_id)
        await self._preview(node, image, metadata=False)

    async def _preview(self, node: str, image: bytes, *, metadata: bool) -> None:
        kind = "image/png" if image[1:4] == b"PNG" else "image/jpeg"
        about = {
            "node_id": node,
            "prompt_id": self.job.prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
            "image_type": kind,
        }
        await self.engine._send_preview(image, about, self.job.client_id, metadata)

    async def _set_progress(self, node: str, value: float, maximum: float, state: str) -> None:
        self._progress[node] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node,
            "prompt_id": self.job.prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        data = {"prompt_id": self.job.prompt_id, "nodes": dict(self._progress)}
        await self.engine._send("progress_state", data, self.job.client_id)

    async def _send(self, event: str, data: Mapping[str, Any]) -> None:
        data = {**data, "prompt_id": self.job.prompt_id}
        await self.engine._send(event, data, self.job.client_id)

    async def _tell(self, event: str, data: Mapping[str, Any]) -> None:
        stamp = round(time.time() * 1000)
        full = {**data, "prompt_id": self.job.prompt_id, "timestamp": stamp}
        self.messages.append([event, full])
        if self.job.client_id is not None:
            await self.engine._send(event, full, self.job.client_id)

    def _inputs(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._values[value[0]][value[1]] if is_link(value) else value
            for name, value in spec["inputs"].items()
        }

    def _links(self, node: str) -> list[str]:
        return [v[0] for v in self.job.graph[node]["inputs"].values() if is_link(v)]

    def _order(self) -> list[str]:
        order: list[str] = []

        def visit(node: str) -> None:
            if node not in order:
                for link in self._links(node):
                    visit(link)
                order.append(node)

        for output in self.job.outputs:
            visit(output)
        return order

    def _needed(self, cached: list[str]) -> set[str]:
        needed: set[str] = set()
        todo = list(self.job.outputs)
        while todo:
            node = todo.pop()
            if node not in cached and node not in needed:
                needed.add(node)
                todo += self._links(node)
        return needed

    def _signature(self, node: str) -> str:
        """The cache key: class, all inputs (unknown ones too), the bytes of files, ancestors."""
        spec = self.job.graph[node]
        parts: list[Any] = [spec["class_type"]]
        for name, value in sorted(spec["inputs"].items()):
            link = is_link(value)
            parts.append([name, [self._signatures[value[0]], value[1]] if link else value])
        loader = _FILE_LOADERS.get(spec["class_type"])
        if loader:
            data = self.engine.files.get(annotated(spec["inputs"][loader]), b"")
            parts.append(hashlib.sha256(data).hexdigest())
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def preview_with_metadata(image: bytes, about: Mapping[str, Any]) -> bytes:
    text = json.dumps(about).encode()
    return struct.pack(">II", 4, len(text)) + text + image


def plain_preview(image: bytes) -> bytes:
    return struct.pack(">II", 1, 2 if image[1:4] == b"PNG" else 1) + image
