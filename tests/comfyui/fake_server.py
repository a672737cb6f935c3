"""A ComfyUI server for tests: it speaks, errs and executes S2V graphs as the real one was seen to.

    with FakeComfyUI() as server:
        Settings(url=server.url)

It runs in a thread of its own, on a free port; `faults` says what goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import json
import ssl
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from comfyui.fake_engine import (
    FakeEngine,
    Faults,
    Killed,
    plain_preview,
    preview_with_metadata,
)
from comfyui.fake_nodes import Place
from comfyui.fake_validation import check_prompt, error

DATA = Path(__file__).parent / "data"
T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeComfyUI:
    """film: "core" has FrameInterpolate, "pack" has FILM VFI, "" has neither.
    authorization: the value that the Authorization header must have.
    prefix: path under which the server lives. missing: node classes that it does not know.
    own_ids: it gives prompts ids of its own, as old servers do.
    certificate: PEM files (certificate, key) to speak https with.
    metadata: whether it can say which prompt and node a preview belongs to (old servers cannot).
    """

    def __init__(
        self,
        *,
        film: str = "core",
        authorization: str | None = None,
        prefix: str = "",
        max_upload: int = 104857600,
        missing: tuple[str, ...] = (),
        metadata: bool = True,
        own_ids: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._own_ids, self._tls = own_ids, _tls(certificate)
        self.metadata = metadata
        self.faults = Faults()
        self.files: dict[Place, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.uploads: list[str] = []
        self.authorizations: set[str | None] = set()
        self.messages_sent = 0
        self.restarts = 0
        self.nodes = _object_info(film, missing)
        self._authorization, self._prefix, self._max_upload = authorization, prefix, max_upload
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, Mapping[str, Any]] = {}
        self._transports: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    # -- for tests -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http{'s' * (self._tls is not None)}://127.0.0.1:{self.port}{self._prefix}"

    @property
    def prompts(self) -> list[str]:
        """Ids of everything posted so far that was accepted."""
        return list(self._accepted)

    def __enter__(self) -> FakeComfyUI:
        self._accepted: list[str] = []
        self._thread.start()
        self.call(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def restart(self) -> None:
        """Die and come back after `faults.down_seconds`."""
        self.call(self._restart())

    def add_foreign_job(self, seconds: float) -> str:
        """Another user's job, which takes so long."""
        prompt_id = str(uuid.uuid4())
        extra = {"client_id": "somebody-else"}
        self.call(self.engine.put({}, [], extra, prompt_id, seconds))
        return prompt_id

    def interrupt_from_elsewhere(self) -> None:
        self._loop.call_soon_threadsafe(self.engine.interrupt, None)

    def clear_from_elsewhere(self) -> None:
        self.call(self.engine.delete([job.prompt_id for job in self.engine.pending]))

    def queue_ids(self) -> list[str]:
        running = [self.engine.running] if self.engine.running else []
        return [job.prompt_id for job in (*running, *self.engine.pending)]

    def delete_files(self, kind: str) -> None:
        for place in [place for place in self.files if place[0] == kind]:
            del self.files[place]

    # -- life ----------------------------------------------------------------------------------

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._front_door], client_max_size=self._max_upload)
        for prefix in (self._prefix, f"{self._prefix}/api"):
            for method, path, handler in self._routes():
                app.router.add_route(method, prefix + path, handler)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open()

    async def _open(self) -> None:
        self.engine = FakeEngine(self.files, self.faults, self._send, self._send_preview)
        self._site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls
        )
        await self._site.start()
        self.port = self._runner.addresses[-1][1]
        self._worker = self._loop.create_task(self._work(self.engine))

    async def _work(self, engine: FakeEngine) -> None:
        with contextlib.suppress(Killed):
            await engine.work()

    async def _stop(self) -> None:
        self._kill_connections()
        self._worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._worker
        await self._runner.cleanup()

    async def _restart(self) -> None:
        self.restarts += 1
        await self._site.stop()
        self._kill_connections()
        self._worker.cancel()
        self._sockets.clear()
        await asyncio.sleep(self.faults.down_seconds)
        self.delete_files("temp")
        await self._open()

    def _kill_connections(self) -> None:
        for transport in list(self._transports):
            transport.abort()
        self._transports.clear()

    # -- sockets -------------------------------------------------------------------------------

    async def _send(self, event: str, data: Mapping[str, Any], client: str | None) -> None:
        text = json.dumps({"type": event, "data": data})
        await self._deliver(client, lambda _: text)

    async def _send_preview(
        self, image: bytes, about: Mapping[str, Any], client: str | None, metadata: bool
    ) -> None:
        def encode(sid: str) -> bytes | None:
            if bool(self._flags.get(sid, {}).get("supports_preview_metadata")) is not metadata:
                return None
            return preview_with_metadata(image, about) if metadata else plain_preview(image)

        await self._deliver(client, encode)

    async def _deliver(
        self, client: str | None, encode: Callable[[str], str | bytes | None]
    ) -> None:
        for sid in list(self._sockets) if client is None else [client]:
            socket, message = self._sockets.get(sid), encode(sid)
            if socket is None or message is None or self.faults.silent:
                continue
            self.messages_sent += 1
            if self.messages_sent == self.faults.restart_at:
                self._loop.create_task(self._restart())
                raise Killed
            if self.messages_sent == self.faults.cut_socket_at:
                self._cut(socket)
                continue
            with contextlib.suppress(ConnectionError, RuntimeError):
                sent = socket.send_str if isinstance(message, str) else socket.send_bytes
                await sent(message)  # type: ignore[arg-type]
        await asyncio.sleep(0)

    def _cut(self, socket: web.WebSocketResponse) -> None:
        transport = socket.get_extra_info("socket_transport") or socket._req.transport  # type: ignore[union-attr]
        transport.abort()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[sid] = socket
        self._flags.pop(sid, None)
        remaining = len(self.engine.pending) + (self.engine.running is not None)
        status = {"status": {"exec_info": {"queue_remaining": remaining}}, "sid": sid}
        await socket.send_json({"type": "status", "data": status})
        running = self.engine.running
        if running and running.client_id == sid and self.engine.last_node:
            await socket.send_json({"type": "executing", "data": {"node": self.engine.last_node}})
        first = True
        async for message in socket:
            if message.type is WSMsgType.TEXT and first:
                await self._first_message(socket, sid, json.loads(message.data))
            first = False
        self._sockets.pop(sid, None)  # also where a second socket took the name: it goes silent
        return socket

    async def _first_message(
        self, socket: web.WebSocketResponse, sid: str, message: Mapping[str, Any]
    ) -> None:
        if message.get("type") == "feature_flags" and self.metadata:
            self._flags[sid] = message["data"]
            await socket.send_json({"type": "feature_flags", "data": self._features()})

    # -- HTTP ----------------------------------------------------------------------------------

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

    @web.middleware
    async def _front_door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if transport is not None:
            self._transports.add(transport)  # type: ignore[arg-type]
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
        if self.faults.bad_gateway:
            self.faults.bad_gateway -= 1
            return web.Response(status=502, text="Bad Gateway")
        if number == self.faults.cut_request_at and transport is not None:
            transport.abort()  # type: ignore[attr-defined]
            return web.Response()
        answer = await handler(request)
        if number == self.faults.lose_answer_at and transport is not None:
            transport.abort()  # type: ignore[attr-defined]
        return answer

    async def _post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "prompt" not in body:
            refused = error("no_prompt", "No prompt provided", "No prompt provided")
            return web.json_response({"error": refused, "node_errors": {}}, status=400)
        graph = body["prompt"]
        asked = copy.deepcopy(graph)
        refused, node_errors, outputs = check_prompt(asked, self._known_nodes(), self.files)
        if refused is not None:
            answer = {"error": refused, "node_errors": node_errors}
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
                nodes[class_type]["input"]["required"][name][0] = listed
        return nodes

    async def _get_stats(self, request: web.Request) -> web.Response:
        return web.json_response(json.loads((DATA / "system_stats.json").read_text()))

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
            request.transport.abort()  # type: ignore[attr-defined]
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
        self.uploads.append(name)
        if str(post.get("overwrite", "")) not in ("true", "1"):
            name = self._free_name(kind, folder, name, data)
        self.files[kind, folder, name] = data
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


def _tls(certificate: tuple[Path, Path] | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def _object_info(film: str, missing: tuple[str, ...]) -> dict[str, Any]:
    nodes = json.loads((DATA / "object_info.json").read_text())
    extra = json.loads((DATA / "object_info_film.json").read_text())
    if film == "core":
        nodes.update({name: extra[name] for name in extra if name != "FILM VFI"})
    elif film == "pack":
        nodes["FILM VFI"] = extra["FILM VFI"]
    return {name: node for name, node in nodes.items() if name not in missing}
