"""One request and its answer, inside bounds: nobody can send us more than we asked for, nor keep
us waiting by sending little."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

SLOWEST_BYTES_S = 8_000
"""What comes or goes more slowly than this, over the time that the answer may take, has stalled."""
ERROR_LIMIT = 1 << 20
"""Bytes of an answer that is not a success: a proxy's page, a refused graph's errors."""


class TooLarge(Exception):
    """The answer is larger than its kind may be; the argument is that limit in bytes."""


class TooSlow(Exception):
    """Neither silent nor getting anywhere."""


class BadEncoding(Exception):
    """The answer is packed in a way that we did not ask for, or is damaged."""


WIRE_ERRORS = (httpx.HTTPError, httpx.InvalidURL, TooLarge, TooSlow, BadEncoding)
"""All that `exchange` raises."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. options: what httpx takes beside method and path (json, params, files, ...).

    limit: bytes that a successful answer may have, unpacked. answer_s: seconds until it must begin,
    and in all, but for what its size explains. sends: bytes of the body.
    """

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int = ERROR_LIMIT
    answer_s: float = 60.0
    sends: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    path: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def words(self) -> str:
        """Its beginning, for a message."""
        return " ".join(self.content[:2000].decode("utf-8", "replace").split())[:200]


async def exchange(http: httpx.AsyncClient, ask: Ask) -> Answer:
    """Raises one of WIRE_ERRORS."""
    allowed = asyncio.get_running_loop().time() + ask.answer_s + ask.sends / SLOWEST_BYTES_S
    try:
        async with asyncio.timeout_at(allowed) as clock:
            async with http.stream(ask.method, ask.path, **ask.options) as response:
                limit = ask.limit if response.is_success else ERROR_LIMIT
                body = await _read(response, limit, clock, allowed)
    except TimeoutError as err:
        raise TooSlow from err
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, body, response.request.url.path)


async def exchange_all(
    http: httpx.AsyncClient, asks: list[Ask], at_once: int
) -> list[Answer | BaseException]:
    """Several, `at_once` at a time; what went wrong stands in the place of its answer."""
    free = asyncio.Semaphore(at_once)

    async def one(ask: Ask) -> Answer:
        async with free:
            return await exchange(http, ask)

    return await asyncio.gather(*map(one, asks), return_exceptions=True)


async def _read(
    response: httpx.Response, limit: int, clock: asyncio.Timeout, allowed: float
) -> bytes:
    unpack, body, received = _Unpacker(response, limit), bytearray(), 0
    async for block in response.aiter_raw():
        received += len(block)
        clock.reschedule(allowed + received / SLOWEST_BYTES_S)
        body += unpack(block, limit - len(body))
        if len(body) > limit:
            raise TooLarge(limit)
    return bytes(body)


class _Unpacker:
    """Unpacks no more than is asked for: a few kilobytes of gzip can hold gigabytes."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise BadEncoding(encoding)
        self._packed = encoding not in ("", "identity")
        self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if self._packed else None
        length = response.headers.get("content-length", "")
        head = response.request.method == "HEAD"
        if not (self._packed or head) and length.isdecimal() and int(length[:20]) > limit:
            raise TooLarge(limit)

    def __call__(self, block: bytes, room: int) -> bytes:
        if self._inflate is None:
            return block
        try:
            return self._inflate.decompress(block, max(room, 0) + 1)
        except zlib.error as err:
            raise BadEncoding(str(err)) from err
