"""A ComfyUI server for tests: it speaks, errs and executes S2V graphs as the real one was seen to.

    with FakeComfyUI() as server:
        Settings(url=server.url)

It runs in a thread of its own, on a free port; `faults` says what goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from comfyui.fake.disk import Disk
from comfyui.fake.engine import (
    FakeEngine,
    Killed,
    plain_preview,
    preview_with_metadata,
)
from comfyui.fake.faults import Faults
from comfyui.fake.routes import DATA, Routes
from ports import held_port, port_of

T = TypeVar("T")


class FakeComfyUI(Routes):
    """film: "core" has FrameInterpolate, "pack" has FILM VFI, "" has neither.
    authorization: the value that the Authorization header must have.
    prefix: path under which the server lives. missing: node classes that it does not know.
    own_ids: it gives prompts ids of its own, as old servers do.
    certificate: PEM files (certificate, key) to speak https with.
    metadata: whether it can say which prompt and node a preview belongs to (old servers cannot).
    newer: speaks as 0.33.0 was recorded to, else as 0.3.64.
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
        newer: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._own_ids, self._tls = own_ids, _tls(certificate)
        self.metadata, self.newer = metadata, newer
        self.stats: dict[str, Any] = {}
        self.faults = Faults()
        self.files = Disk()
        self.requests: list[tuple[str, str]] = []
        self.uploads: list[str] = []
        self.emptied: list[str] = []
        self.authorizations: set[str | None] = set()
        self.messages_sent = 0
        self.restarts = 0
        self.nodes = _object_info(film, missing, newer=newer)
        self._authorization, self._prefix, self._max_upload = authorization, prefix, max_upload
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, Mapping[str, Any]] = {}
        self._transports: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._held = held_port()  # while it is down too
        self.port = port_of(self._held)

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
        self._held.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def restart(self) -> None:
        """Die and come back after `faults.down_seconds`."""
        self.call(self._restart())

    def add_foreign_job(self, seconds: float) -> str:
        """Another user's job, which takes so long unless it is ended."""
        prompt_id = str(uuid.uuid4())
        extra = {"client_id": "somebody-else"}
        self.call(self.engine.put({}, [], extra, prompt_id, seconds))
        return prompt_id

    def end_foreign_job(self, prompt_id: str) -> None:
        for job in filter(None, (self.engine.running, *self.engine.pending)):
            if job.prompt_id == prompt_id:
                job.seconds = 0.0

    def interrupt_from_elsewhere(self) -> None:
        self._loop.call_soon_threadsafe(self.engine.interrupt, None)

    def clear_from_elsewhere(self) -> None:
        self.call(self.engine.delete([job.prompt_id for job in self.engine.pending]))

    def delete_files(self, kind: str) -> None:
        for key in [key for key in self.files if key[0] == kind]:
            del self.files[key]

    # -- life ----------------------------------------------------------------------------------

    async def _start(self) -> None:
        app = web.Application(middlewares=[self._front_door], client_max_size=self._max_upload)
        for prefix in (self._prefix, f"{self._prefix}/api"):
            for method, path, handler in self._routes():
                app.router.add_route(method, prefix + path, handler)
        if self.newer:
            for method, path, handler in self._newer_routes():
                app.router.add_route(method, f"{self._prefix}/api{path}", handler)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._open()

    async def _open(self) -> None:
        self.engine = FakeEngine(
            self.files, self.faults, self._send, self._send_preview, newer=self.newer
        )
        self._site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self._tls
        )
        await self._site.start()
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
        assert transport is not None
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


def _tls(certificate: tuple[Path, Path] | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def _object_info(film: str, missing: tuple[str, ...], *, newer: bool) -> dict[str, Any]:
    nodes = json.loads((DATA / f"object_info{'_newer' * newer}.json").read_text())
    extra = json.loads((DATA / "object_info_film.json").read_text())
    if newer and film != "core":
        nodes = {name: node for name, node in nodes.items() if name not in extra}
    if not newer and film == "core":
        nodes.update({name: extra[name] for name in extra if name != "FILM VFI"})
    if film == "pack":
        nodes["FILM VFI"] = extra["FILM VFI"]
    return {name: node for name, node in nodes.items() if name not in missing}
