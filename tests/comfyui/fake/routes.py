"""What the fake server answers over HTTP."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from comfyui.fake.disk import Disk
from comfyui.fake.engine import FakeEngine
from comfyui.fake.faults import Faults
from comfyui.fake.jobs import cancel_job, get_job
from comfyui.fake.validation import check_prompt, error, wrong_id

DATA = Path(__file__).parent / "data"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """The routes; FakeComfyUI has the state that they show."""

    engine: FakeEngine
    faults: Faults
    stats: dict[str, Any]
    files: Disk
    nodes: dict[str, Any]
    metadata: bool
    newer: bool
    requests: list[tuple[str, str]]
    uploads: list[str]
    emptied: list[str]
    authorizations: set[str | None]
    _accepted: list[str]
    _authorization: str | None
    _max_upload: int
    _own_ids: bool
    _socket: Handler
    _prefix: str
    _transports: set[asyncio.Transport]

    def queue_ids(self) -> list[str]:
        """Prompts that run or wait."""
        running = [self.engine.running] if self.engine.running else []
        return [job.prompt_id for job in (*running, *self.engine.pending)]

    def _routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/ws", self._socket),
            ("POST", "/prompt", self._post_prompt),
            ("GET", "/prompt", self._get_prompt),
            ("GET", "/queue", self._get_queue),
            ("POST", "/queue", self._post_queue),
            ("POST", "/interrupt", self._post_interrupt),
            ("GET", "/history", self._get_history),
            ("GET", "/history/{id}", self._get_one_history),
            ("GET", "/object_info", self._get_object_info),
            ("GET", "/object_info/{name}", self._get_object_info),
            ("GET", "/system_stats", self._get_stats),
            ("GET", "/features", self._get_features),
            ("GET", "/view", self._view),
            ("HEAD", "/view", self._view),
            ("POST", "/upload/image", self._upload),
        ]

    def _newer_routes(self) -> list[tuple[str, str, Handler]]:
        """Those that answer under /api alone."""
        return [
            ("GET", "/jobs/{id}", self._get_job),
            ("POST", "/jobs/{id}/cancel", self._cancel_job),
        ]

    async def _get_job(self, request: web.Request) -> web.Response:
        return await get_job(self.engine, request.match_info["id"])

    async def _cancel_job(self, request: web.Request) -> web.Response:
        return await cancel_job(self.engine, request.match_info["id"])

    @web.middleware
    async def _front_door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if transport is not None:
            self._transports.add(transport)
        self.authorizations.add(request.headers.get("Authorization"))
        if "Origin" in request.headers:
            return web.Response(status=403)
        if self._authorization not in (None, request.headers.get("Authorization")):
            return web.Response(status=401, text="who are you?")
        if request.path.endswith("/ws"):
            return await handler(request)
        self.requests.append((request.method, request.path.removeprefix(self._prefix)))
        number = len(self.requests)
        if self.faults.hanging:
            self.faults.hanging -= 1
            time.sleep(self.faults.hang_seconds)
        if self.faults.turns and number % 2:
            status = self.faults.turns[number // 2 % len(self.faults.turns)]
            return web.Response(status=status, text="<html>no</html>", content_type="text/html")
        if self.faults.bad_gateway:
            self.faults.bad_gateway -= 1
            return web.Response(status=502, text="Bad Gateway")
        if number == self.faults.cut_request_at and transport is not None:
            transport.abort()
            return web.Response()
        answer = await handler(request)
        if number == self.faults.lose_answer_at and transport is not None:
            transport.abort()
        return answer

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "prompt" not in body:
            refused = error("no_prompt", "No prompt provided", "No prompt provided")
            return web.json_response({"error": refused, "node_errors": {}}, status=400)
        graph = body["prompt"]
        asked = copy.deepcopy(graph)
        if self.newer and (bad_id := wrong_id(body)):
            return web.json_response({"error": bad_id, "node_errors": {}}, status=400)
        wrong, node_errors, outputs = check_prompt(
            asked, self._known_nodes(), self.files, newer=self.newer
        )
        if wrong is not None:
            answer = {"error": wrong, "node_errors": node_errors}
            return web.json_response(answer, status=400)
        prompt_id = str(uuid.uuid4() if self._own_ids else body.get("prompt_id") or uuid.uuid4())
        extra = dict(body.get("extra_data") or {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        job = await self.engine.put(asked, outputs, extra, prompt_id)
        self._accepted.append(prompt_id)
        return web.json_response(
            {"prompt_id": prompt_id, "number": job.number, "node_errors": node_errors}
        )

    async def _get_prompt(self, request: web.Request) -> web.Response:
        remaining = len(self.queue_ids())
        return web.json_response({"exec_info": {"queue_remaining": remaining}})

    async def _get_queue(self, request: web.Request) -> web.Response:
        running = [self.engine.running.row()] if self.engine.running else []
        pending = [job.row() for job in reversed(self.engine.pending)]  # heap order: not sorted
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            await self.engine.delete([job.prompt_id for job in self.engine.pending])
        await self.engine.delete(body.get("delete", []))
        return web.Response()

    async def _post_interrupt(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        self.engine.interrupt(body.get("prompt_id"))
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        items = list(self.engine.history.items())
        count = int(request.query.get("max_items", len(items)))
        return web.json_response(dict(items[max(0, len(items) - count) :]))

    async def _get_one_history(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        entry = self.engine.history.get(wanted)
        return web.json_response({} if entry is None else {wanted: entry})

    async def _get_object_info(self, request: web.Request) -> web.Response:
        nodes, name = self._known_nodes(), request.match_info.get("name")
        if name is None:
            return web.json_response(nodes)
        return web.json_response({name: nodes[name]} if name in nodes else {})

    def _known_nodes(self) -> dict[str, Any]:
        """The node descriptions; loaders list what lies in the root of the input folder."""
        nodes = copy.deepcopy(self.nodes)
        listed = sorted(
            name for kind, folder, name in self.files if (kind, folder) == ("input", "")
        )
        for class_type, name in (("LoadAudio", "audio"), ("LoadImage", "image")):
            if class_type in nodes:
                choice = nodes[class_type]["input"]["required"][name]
                if choice[0] == "COMBO":
                    choice[1]["options"] = listed
                else:
                    choice[0] = listed
        return nodes

    async def _get_stats(self, request: web.Request) -> web.Response:
        name = "system_stats_newer.json" if self.newer else "system_stats.json"
        return web.json_response({**json.loads((DATA / name).read_text()), **self.stats})

    def _features(self) -> dict[str, Any]:
        return {"supports_preview_metadata": self.metadata, "max_upload_size": self._max_upload}

    async def _get_features(self, request: web.Request) -> web.Response:
        return web.json_response(self._features())

    async def _view(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("filename")
        kind = request.query.get("type", "output")
        if not name:
            return web.Response(status=404)
        if kind not in ("input", "output", "temp") or name.startswith("/") or ".." in name:
            return web.Response(status=400)
        data = self.files.get((kind, request.query.get("subfolder", ""), name))
        if data is None:
            return web.Response(status=404)
        if request.method == "GET" and self.faults.broken_downloads:
            self.faults.broken_downloads -= 1
            return await self._break_off(request, data)
        return web.Response(body=data, content_type="application/octet-stream")

    async def _break_off(self, request: web.Request, data: bytes) -> web.StreamResponse:
        """Announce all, send half."""
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.abort()
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            return web.Response(status=400)
        post = await request.post()
        image = post.get("image")
        folder, kind = str(post.get("subfolder", "")), str(post.get("type", "input"))
        if not isinstance(image, web.FileField):
            return web.Response(status=400)
        name, data = image.filename, image.file.read()
        if ".." in f"{folder}/{name}":
            return web.Response(status=400)
        if kind not in ("input", "output", "temp") or "/" in name:
            return web.Response(status=500, text="500 Internal Server Error")
        (self.uploads if data else self.emptied).append(name)
        if str(post.get("overwrite", "")) not in ("true", "1"):
            name = self._free_name(kind, folder, name, data)
        try:
            self.files[kind, folder, name] = data
        except OSError:  # a full disk
            return web.Response(
                status=500, text="500 Internal Server Error\n\nServer got itself in trouble"
            )
        return web.json_response({"name": name, "subfolder": folder, "type": kind})

    def _free_name(self, kind: str, folder: str, name: str, data: bytes) -> str:
        """The name itself, if it is free or holds the same bytes; else "name (1).ext", ..."""
        stem, suffix = Path(name).stem, Path(name).suffix
        number = 0
        while (taken := self.files.get((kind, folder, name))) is not None:
            if hashlib.sha256(taken).digest() == hashlib.sha256(data).digest():
                break
            number += 1
            name = f"{stem} ({number}){suffix}"
        return name
