"""One ComfyUI server, driven synchronously: the whole surface that the engine needs.

with ComfyClient(address) as client:
    name = client.upload(wav, ".wav", control)
    pictures = client.run_and_fetch(prompt, control, wanted=["12"])["12"]
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from soundreel.engines.comfyui.client.address import ServerAddress
from soundreel.engines.comfyui.client.errors import ResultGone
from soundreel.engines.comfyui.client.listener import Listener
from soundreel.engines.comfyui.client.results import FileRef, OnProgress, Progress, PromptResult
from soundreel.engines.comfyui.client.retry import Deadline, T, retry
from soundreel.engines.comfyui.client.run import PromptJson, Run
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.uploads import Uploader
from soundreel.engines.comfyui.graphs.schema import NodeCatalog, parse_object_info
from soundreel.errors import RemoteError
from soundreel.events import Notice, RunControl

MOST_VANISHED_RESULTS = 3


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the server; memory in bytes."""

    name: str
    type: str
    vram_total: int
    vram_free: int


@dataclass(frozen=True, slots=True)
class SystemStats:
    """version: of ComfyUI."""

    version: str
    devices: tuple[Device, ...]


class ComfyClient:
    """A client with an identity of its own: everything that it sends can be told from others'.

    timeout: seconds for everything between entering and leaving; None is no limit.
    connect_timeout: seconds until a server that does not answer counts as away.
    poll_seconds: how often queue and history are asked beside the socket.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        timeout: float | None = None,
        connect_timeout: float = 10.0,
        poll_seconds: float = 2.0,
    ) -> None:
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._timeout = timeout
        self._poll_seconds = poll_seconds
        self._transport = Transport(address, connect_timeout)
        self._listener = Listener(address, self.client_id, connect_timeout)
        self._uploader = Uploader(self._transport)
        self._deadline = Deadline(timeout)
        self._catalog: NodeCatalog | None = None

    def __enter__(self) -> ComfyClient:
        self._deadline = Deadline(self._timeout)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.push(self._transport)
            stack.callback(self._listener.close)

    def system_stats(self) -> SystemStats:
        """Version and devices. Raises EngineUnavailable at once if the server is away."""
        raw = self._transport.get_json("/system_stats")
        return SystemStats(
            str(raw.get("system", {}).get("comfyui_version", "unknown")),
            tuple(_device(device) for device in raw.get("devices") or ()),
        )

    def object_info(self) -> NodeCatalog:
        """What the server can do, asked once. Raises EngineUnavailable if it is away."""
        if self._catalog is None:
            self._catalog = parse_object_info(self._transport.get_json("/object_info"))
        return self._catalog

    def upload(
        self, data: bytes | Path, suffix: str, control: RunControl, *, temporary: bool = False
    ) -> str:
        """Put a file into the server's input folder, unless it is there; the value for a loader
        node's input. temporary: into its temp folder, which it empties when it starts.

        Waits for a server that is away. Raises InputError (too large), Cancelled.
        """
        return self._retry(
            lambda: self._uploader.upload(data, suffix, temporary=temporary), control
        )

    def run(
        self,
        prompt: PromptJson | Callable[[], PromptJson],
        control: RunControl,
        *,
        wanted: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> PromptResult:
        """Run a prompt once, through lost sockets and restarts, and return its results.

        prompt: API format, or a function that makes it: it is asked again before every submission,
            so that what it uploads is there after a restart.
        wanted: output nodes whose files must come from this very run.
        Raises RemoteError (refused, failed, time is up), OutOfMemory, Cancelled; then none of our
        prompts is left on the server.
        """
        return Run(
            transport=self._transport,
            listener=self._listener,
            client_id=self.client_id,
            control=control,
            deadline=self._deadline,
            poll_seconds=self._poll_seconds,
            on_progress=on_progress or _ignore,
        ).result(prompt, wanted)

    def run_and_fetch(
        self,
        prompt: PromptJson | Callable[[], PromptJson],
        control: RunControl,
        *,
        wanted: Sequence[str],
        emptied: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> dict[str, list[bytes]]:
        """`run`, and the bytes of all files of each wanted node: all from one run of it.

        emptied: nodes among `wanted` whose files lie where no restart removes them; once we have
            them, they are emptied on the server.
        If files vanish before they are fetched (a restart empties the temp folder), it runs again.
        """
        vanished = 0
        while True:
            result = self.run(prompt, control, wanted=wanted, on_progress=on_progress)
            try:
                fetched = {
                    node: [self.fetch(file, control) for file in result.files(node)]
                    for node in wanted
                }
                self._empty([file for node in emptied for file in result.files(node)], control)
                return fetched
            except ResultGone as err:
                vanished += 1
                if vanished == MOST_VANISHED_RESULTS:
                    raise
                control.emit(Notice(f"{err.message}: the job runs again"))

    def fetch(self, file: FileRef, control: RunControl) -> bytes:
        """The file's bytes. Waits for a server that is away. Raises ResultGone, Cancelled."""
        return self._retry(lambda: self._fetch(file), control)

    def _fetch(self, file: FileRef) -> bytes:
        place = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        answer = self._transport.request("GET", "/view", params=place)
        if answer.status_code == 404:
            raise ResultGone(f"{file.filename} is not on {self.address} any more")
        if not answer.is_success:
            raise RemoteError(f"{self.address} answers {answer.status_code} for {file.filename}")
        return answer.content

    def _empty(self, files: Sequence[FileRef], control: RunControl) -> None:
        for file in files:
            self._retry(partial(self._uploader.empty, file), control)

    def _retry(self, attempt: Callable[[], T], control: RunControl) -> T:
        return retry(attempt, control, self._deadline)


def _device(raw: dict[str, Any]) -> Device:
    return Device(
        str(raw.get("name", "")),
        str(raw.get("type", "")),
        int(raw.get("vram_total") or 0),
        int(raw.get("vram_free") or 0),
    )


def _ignore(_: Progress) -> None:
    return None
