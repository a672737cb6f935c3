"""One ComfyUI server, driven synchronously: the whole surface that the engine needs.

with ComfyClient(address) as client:
    name = client.upload(wav, ".wav", control)
    pictures = client.run_and_fetch(prompt, control, wanted=["12"])["12"]
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from soundreel.engines.comfyui.client.claims import Claim
from soundreel.engines.comfyui.client.jobs import read_queue, remove_prompts, sender
from soundreel.engines.comfyui.client.listener import Listener
from soundreel.engines.comfyui.client.results import (
    FileRef,
    OnProgress,
    Progress,
    PromptResult,
    Streamed,
)
from soundreel.engines.comfyui.client.retry import T, retry_briefly
from soundreel.engines.comfyui.client.run import SOCKET_SECONDS, PromptJson, Run
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.uploads import Uploader
from soundreel.engines.comfyui.client.wire.address import ServerAddress
from soundreel.engines.comfyui.client.wire.answers import NodesAnswer, SystemStats
from soundreel.engines.comfyui.client.wire.errors import ResultGone, ServerAway
from soundreel.engines.comfyui.client.wire.exchange import Answer, Ask
from soundreel.engines.comfyui.client.wire.faults import passing
from soundreel.engines.comfyui.graphs.schema import NodeCatalog, parse_object_info
from soundreel.errors import EngineError
from soundreel.events import Notice, RunControl

FIRST_ANSWER_SECONDS = 5.0
"""For the first question, from name to last byte: TLS to the other end of the world takes one."""
NODES_SECONDS = 30.0
"""A server with many node packs and a slow disk takes that long to list them."""
ORPHAN_SECONDS = 30.0
FILE_LIMIT = 256 << 20
"""Bytes of a file that nobody knows the size of."""
MOST_VANISHED_RESULTS = 3
TIDY_SECONDS = 10.0
"""How long a client that goes may take to empty its files."""


class ComfyClient:
    """A client with an identity of its own: everything that it sends can be told from others'.

    connect_timeout: seconds until a server that does not answer counts as away.
    poll_seconds: how often queue and history are asked beside the socket.
    claims: folder in which clients of this machine know of each other (see claims.py).
    most_patience_s: a server that is away for so long in the middle of a job is given up.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        connect_timeout: float = 10.0,
        poll_seconds: float = 2.0,
        claims: Path | None = None,
        most_patience_s: float = math.inf,
    ) -> None:
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._poll_seconds = poll_seconds
        self._transport = Transport(address, connect_timeout, most_patience_s)
        self._listener = Listener(address, self.client_id, connect_timeout)
        self._uploader = Uploader(self._transport, self.client_id[:8])
        self._claim = Claim(claims, self.client_id)
        self._looked_for_orphans = False
        self._catalog: NodeCatalog | None = None
        self._fetched: list[FileRef] = []

    def __enter__(self) -> ComfyClient:
        self._claim.hold()
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
            stack.callback(self._claim.release, settled=error is None)
            stack.callback(self._tidy)

    @contextmanager
    def heeding(self, control: RunControl) -> Iterator[None]:
        """Whatever is asked in here ends as soon as `control` says so."""
        with self._transport.watched(control.raise_if_cancelled):
            yield

    def system_stats(self) -> SystemStats:
        """Version and devices. Raises EngineUnavailable if the server is away or silent."""
        return retry_briefly(
            lambda: self._transport.get("/system_stats", SystemStats, FIRST_ANSWER_SECONDS)
        )

    def object_info(self) -> NodeCatalog:
        """What the server can do, asked once. Raises EngineUnavailable if it is away."""
        if self._catalog is None:
            answer = retry_briefly(
                lambda: self._transport.get("/object_info", NodesAnswer, NODES_SECONDS)
            )
            self._catalog = parse_object_info(answer.root)
        return self._catalog

    def upload(
        self, data: bytes | Path, suffix: str, control: RunControl, *, temporary: bool = False
    ) -> str:
        """Put a file into the server's input folder, unless it is there; the value for a loader
        node's input. temporary: into its temp folder, which it empties when it starts.

        Waits for a server that is away. Raises InputError (too large), Cancelled.
        """
        with self._transport.attended(control):
            return self._uploader.upload(data, suffix, temporary=temporary)

    @property
    def hears(self) -> bool:
        """Whether the socket is open, so that pictures can be sent on it."""
        return self._listener.start(SOCKET_SECONDS)

    def run(
        self,
        graph: PromptJson | Callable[[], PromptJson],
        control: RunControl,
        *,
        wanted: Sequence[str],
        streamed: Streamed | None = None,
        on_progress: OnProgress | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> PromptResult:
        """Run a graph once, through lost sockets and restarts, and return its results.

        graph: API format, or a function that makes it: it is asked again before every submission,
            so that what it uploads is there after a restart.
        wanted: output nodes whose files must come from this very run.
        streamed: the node that sends its pictures on the socket, if there is one.
        meanwhile: what can be done while the server works: it delays nothing.
        Raises RemoteError (refused, failed, time is up), OutOfMemory, Cancelled; then none of our
        prompts is left on the server. PicturesLost if the run is done but pictures did not arrive.
        """
        self._remove_orphans(control)
        return Run(
            transport=self._transport,
            listener=self._listener,
            client_id=self.client_id,
            control=control,
            poll_seconds=self._poll_seconds,
            on_progress=on_progress or _ignore,
            meanwhile=partial(self._meanwhile, control, meanwhile),
        ).result(graph, wanted, streamed)

    def run_and_fetch(
        self,
        graph: PromptJson | Callable[[], PromptJson],
        control: RunControl,
        *,
        wanted: Sequence[str],
        streamed: Streamed | None = None,
        on_progress: OnProgress | None = None,
        meanwhile: Callable[[], None] | None = None,
        limit: int = FILE_LIMIT,
    ) -> dict[str, list[bytes]]:
        """`run`, and the bytes of all files of each wanted node, and the streamed pictures: all
        from one run of the graph. What was fetched is emptied on the server during the next run,
        or at the end.

        limit: bytes that one file may have.
        If files vanish before they are fetched (a restart empties the temp folder), it runs again.
        """
        vanished = 0
        while True:
            result = self.run(
                graph,
                control,
                wanted=wanted,
                streamed=streamed,
                on_progress=on_progress,
                meanwhile=meanwhile,
            )
            files = {node: result.files(node) for node in wanted}
            try:
                fetched = {
                    node: self.fetch_all(refs, control, limit) for node, refs in files.items()
                }
            except ResultGone as err:
                vanished += 1
                if vanished == MOST_VANISHED_RESULTS:
                    raise
                control.emit(Notice(f"{err.message}: the job runs again"))
                continue
            self._fetched += [file for refs in files.values() for file in refs]
            if streamed is not None:
                fetched[streamed.node] = list(result.pictures)
            return fetched

    def fetch(self, file: FileRef, control: RunControl, limit: int = FILE_LIMIT) -> bytes:
        """The file's bytes. Waits for a server that is away. Raises ResultGone, Cancelled."""
        return self.fetch_all((file,), control, limit)[0]

    def fetch_all(
        self, files: Sequence[FileRef], control: RunControl, limit: int = FILE_LIMIT
    ) -> list[bytes]:
        """The files' bytes, several at a time; otherwise as `fetch`."""
        found: dict[FileRef, bytes] = {}
        self._retry(lambda: self._fetch_missing(files, found, limit), control)
        return [found[file] for file in files]

    def _fetch_missing(
        self, files: Sequence[FileRef], found: dict[FileRef, bytes], limit: int
    ) -> None:
        missing = [file for file in dict.fromkeys(files) if file not in found]
        asks = [_view(file, limit) for file in missing]
        trouble: EngineError | None = None
        for file, answer in zip(missing, self._transport.request_all(asks), strict=True):
            if isinstance(answer, EngineError):
                trouble = trouble or answer
            elif answer.ok:
                found[file] = answer.content
            else:
                trouble = self._no_file(file, answer)
        if trouble is not None:
            raise trouble

    def _no_file(self, file: FileRef, answer: Answer) -> EngineError:
        """ComfyUI says 404 without a word when it has no such file; with words, it is a proxy."""
        gone = ResultGone(f"{file.filename} is not on {self.address} any more")
        if answer.status == 404 and not answer.content:
            return gone
        return passing(self.address, answer, then=gone if answer.status == 404 else None)

    def _meanwhile(self, control: RunControl, more: Callable[[], None] | None) -> None:
        """Empty what was fetched before, and the temporary files that this prompt does not name."""
        self._empty([*self._fetched, *self._uploader.unused()], control)
        self._fetched = []
        if more is not None:
            more()

    def _empty(self, files: Sequence[FileRef], control: RunControl) -> None:
        """A matter of the server's disk, not of the job: what it refuses to empty stays."""
        if not files:
            return
        full = list(files)

        def attempt() -> None:
            asks = [self._uploader.emptying(file) for file in full]
            outcomes = self._transport.request_all(asks)
            away = [out for out in outcomes if isinstance(out, ServerAway) and out.is_long]
            full[:] = [file for file, out in zip(full, outcomes, strict=True) if out in away]
            if away:
                raise away[0]

        self._retry(attempt, control)
        for file in files:
            self._uploader.forget(file)

    def _tidy(self) -> None:
        """Before we go: our temporary files, as far as the server answers at once."""
        self._uploader.unused()
        files = [*self._fetched, *self._uploader.unused()]
        if not files:
            return
        limit = RunControl()
        limit.stop_after(TIDY_SECONDS)
        with suppress(EngineError), self._transport.watched(limit.raise_if_cancelled):
            self._transport.request_all([self._uploader.emptying(file) for file in files])

    def _remove_orphans(self, control: RunControl) -> None:
        """Once: the prompts of our clients that were killed, so that we do not wait behind them."""
        if self._looked_for_orphans or not self._claim.knows_others:
            return
        with self._transport.attended(control):
            state = read_queue(self._transport)
        senders = {sender(item) for item in (*state.running, *state.pending)}
        dead = self._claim.orphans(senders - {self.client_id})
        if dead:
            with self._transport.watched(control.raise_if_cancelled):
                gone = remove_prompts(self._transport, dead, ORPHAN_SECONDS, 0.5)
            if gone:
                self._claim.forget(dead)
            words = "is taken off" if gone else "still runs; it stops when its node is done"
            control.emit(Notice(f"{self.address}: what a killed run left there {words}"))
        self._looked_for_orphans = True

    def _retry(self, attempt: Callable[[], T], control: RunControl) -> T:
        with self._transport.attended(control):
            return self._transport.again(attempt)


def _view(file: FileRef, limit: int) -> Ask:
    headers = {"Accept-Encoding": "identity"}
    return Ask("GET", "/view", {"params": file.query(), "headers": headers}, limit)


def _ignore(_: Progress) -> None:
    return None
