"""HTTP to one server. Everything that can go wrong on the wire becomes a soundreel error here."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from soundreel.engines.comfyui.client.retry import Patience
from soundreel.engines.comfyui.client.wire.address import ServerAddress
from soundreel.engines.comfyui.client.wire.exchange import (
    WIRE_ERRORS,
    Answer,
    Ask,
    exchange,
    exchange_all,
)
from soundreel.engines.comfyui.client.wire.faults import (
    from_wire,
    not_comfyui,
    of_status,
    passing,
)
from soundreel.engines.comfyui.client.wire.loop import LoopThread
from soundreel.errors import EngineError, RemoteError
from soundreel.events import RunControl

READ_SECONDS = 60.0
"""A busy server holds its event loop for seconds, so an answer may be slow."""
JSON_LIMIT = 64 << 20
"""Bytes: /object_info of a server with hundreds of node packs has ten million, a long queue too."""
AT_ONCE = 4
"""Files fetched at a time: on a distant server the way there and back counts, not the bytes."""

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")

_READING = Lock()


class Transport:
    """A connection pool to one server; close it, or use it as a context manager."""

    def __init__(
        self, address: ServerAddress, connect_timeout: float, most_patience_s: float = math.inf
    ) -> None:
        self.address = address
        self._loop = LoopThread()
        self._watch: Callable[[], None] = _nothing
        self._control: RunControl | None = None
        self._patience = Patience(most_patience_s)
        self._http = httpx.AsyncClient(
            base_url=address.url,
            headers={"Accept-Encoding": "gzip, deflate", **address.headers()},
            timeout=httpx.Timeout(READ_SECONDS, connect=connect_timeout),
            verify=_trusted(),
            mounts={f"all://{address.host}": None} if address.is_local else None,  # no proxy
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.close(self._http.aclose)

    @contextmanager
    def attended(self, control: RunControl) -> Iterator[None]:
        """Somebody waits for what is asked in here: every request is made again while the server
        is away, and all ends as soon as `control` says so."""
        before, self._control = self._control, control
        try:
            with self.watched(control.raise_if_cancelled):
                yield
        finally:
            self._control = before

    def again(self, attempt: Callable[[], T]) -> T:
        """`attempt()`, repeated while the server is away, where somebody waits for it."""
        if self._control is None:
            return attempt()
        return self._patience.retry(attempt, self._control)

    @contextmanager
    def watched(self, watch: Callable[[], None]) -> Iterator[None]:
        """Whatever is asked in here ends as soon as `watch` raises something."""
        before, self._watch = self._watch, watch
        try:
            yield
        finally:
            self._watch = before

    def get(self, path: str, model: type[Model], answer_s: float | None = None) -> Model:
        """The JSON object at `path`, as its model; all that we ask for is one.

        Raises NotComfyUI (no JSON), RemoteError (JSON of another shape).
        """

        def attempt() -> Model:
            answer = self.request("GET", path, limit=JSON_LIMIT, answer_s=answer_s)
            if not answer.ok or not answer.content.lstrip().startswith(b"{"):
                raise not_comfyui(self.address, answer)
            return self.parsed(answer, model)

        return self.again(attempt)

    def parsed(self, answer: Answer, model: type[Model]) -> Model:
        """Raises RemoteError naming what has not the shape that it should have."""
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as err:
            first = err.errors(include_url=False, include_input=False)[0]
            if first["type"] == "json_invalid":
                raise not_comfyui(self.address, answer) from None
            where = ".".join(str(part) for part in first["loc"])
            raise RemoteError(
                f"{self.address} answers {answer.path} in a shape that no known ComfyUI gives: "
                f"{where}: {first['msg'].lower()}",
                hint="update ComfyUI, or look for a node pack or proxy that changes its answers",
            ) from None

    def post_json(
        self, path: str, body: Mapping[str, object], answer_s: float | None = None
    ) -> None:
        """Post where the answer is empty (/queue, /interrupt)."""

        def attempt() -> None:
            answer = self.request("POST", path, json=body, answer_s=answer_s)
            if not answer.ok:
                raise passing(self.address, answer)

        self.again(attempt)

    def request(
        self,
        method: str,
        path: str,
        *,
        limit: int = JSON_LIMIT,
        answer_s: float | None = None,
        sends: int = 0,
        **options: object,
    ) -> Answer:
        """The answer to one request, whatever its status, but for one that may pass or that shuts
        us out.

        Raises ServerAway (no answer, or one that may pass), EngineUnavailable (a closed door, a
        redirect, a certificate) and RemoteError (more than `limit` bytes).
        """
        ask = Ask(method, path, options, limit, answer_s or READ_SECONDS, sends)
        try:
            answer = self._loop.run(exchange(self._http, ask), self._watch)
        except WIRE_ERRORS as err:
            raise from_wire(self.address, ask, err) from err
        if trouble := of_status(self.address, answer):
            raise trouble
        return answer

    def request_all(self, asks: Sequence[Ask]) -> list[Answer | EngineError]:
        """Several at a time; each gives its answer, or the error that `request` would raise."""
        made = self._loop.run(exchange_all(self._http, list(asks), AT_ONCE), self._watch)
        return [self._judged(ask, outcome) for ask, outcome in zip(asks, made, strict=True)]

    def _judged(self, ask: Ask, outcome: Answer | BaseException) -> Answer | EngineError:
        if isinstance(outcome, Answer):
            return of_status(self.address, outcome) or outcome
        if not isinstance(outcome, WIRE_ERRORS):
            raise outcome
        error = from_wire(self.address, ask, outcome)
        if not isinstance(error, EngineError):
            raise error
        return error


def _trusted() -> ssl.SSLContext:
    """The certificates that https is checked against, for all clients: reading them takes 20 ms."""
    with _READING:
        return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _certificates(*_named: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _nothing() -> None:
    return None
