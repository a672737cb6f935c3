"""What a server sends is bounded in size and in time, and any waiting can be ended."""

from __future__ import annotations

import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from comfyui.client.hostile import Talk, drip, endless, head, hostile, silent
from comfyui.client.test_faults import job
from comfyui.conftest import Log, client_for
from comfyui.fake.engine import plain_preview
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.results import FileRef
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.errors import Cancelled, EngineError, EngineUnavailable, RemoteError

JSON_HEAD = head("Content-Type: application/json")
CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")
MEGABYTE = b"x" * 1_000_000
PACKED = head("Content-Type: application/json", "Content-Encoding: gzip")
BOMB = gzip.compress(b" " * 300_000_000)
FILE = FileRef("a.png", "", "temp")
AT_ONCE = 20
"""Seconds, on a machine that does much else; those who talk slowly here do it for a minute."""


def half(send: Callable[[bytes], None]) -> None:
    send(JSON_HEAD + b"{")
    time.sleep(60)


TOO_MUCH: dict[str, Talk] = {
    "a body without end": endless(JSON_HEAD, MEGABYTE),
    "chunks without end": endless(CHUNKED, b"f4240\r\n" + MEGABYTE + b"\r\n"),
    "a length beyond all bounds": lambda send: send(head("Content-Length: 99999999999")),
    "a gzip bomb": lambda send: send(PACKED + BOMB),
    "gzip bombs without end": endless(PACKED, BOMB),
    "a header without end": endless(b"HTTP/1.1 200 OK\r\nX: ", MEGABYTE),
}
TOO_SLOW: dict[str, Talk] = {
    "a byte now and then": drip(JSON_HEAD + b"{" + b" " * 10_000, 0.05),
    "a header byte now and then": drip(JSON_HEAD, 0.05),
    "nothing": silent,
    "half an answer": half,
}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.transport.JSON_LIMIT", 2_000_000)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("kind", TOO_MUCH)
def test_more_than_an_answer_can_have_is_not_taken(kind: str) -> None:
    with hostile(TOO_MUCH[kind]) as (url, sent), ComfyClient(parse_server(url)) as client:
        tracemalloc.start()
        started = time.monotonic()
        with pytest.raises(EngineError):
            client.system_stats()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 40_000_000
    assert time.monotonic() - started < AT_ONCE
    assert max(sent, default=0) < 20_000_000, "the connection is cut, not read on"


@pytest.mark.parametrize("kind", TOO_SLOW)
def test_an_answer_that_comes_too_slowly_is_given_up(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.server.FIRST_ANSWER_SECONDS", 0.5)
    with hostile(TOO_SLOW[kind]) as (url, _), ComfyClient(parse_server(url)) as client:
        started = time.monotonic()
        with pytest.raises(EngineUnavailable, match=r"nothing whole within 0\.5 s"):
            client.system_stats()
        assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("kind", TOO_SLOW)
def test_ctrl_c_ends_any_waiting_at_once(kind: str, log: Log) -> None:
    with hostile(TOO_SLOW[kind]) as (url, _), ComfyClient(parse_server(url)) as client:
        threading.Timer(0.3, log.control.cancel).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            client.fetch(FILE, log.control)
        assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("kind", TOO_SLOW)
def test_the_time_limit_ends_any_waiting(kind: str, log: Log) -> None:
    with hostile(TOO_SLOW[kind]) as (url, _), ComfyClient(parse_server(url)) as client:
        log.control.stop_after(0.4)
        started = time.monotonic()
        with pytest.raises(EngineError, match="timeout"):
            client.upload(b"sound", ".wav", log.control)
        assert time.monotonic() - started < AT_ONCE


def test_a_file_larger_than_it_can_be_is_not_taken(log: Log) -> None:
    with (
        hostile(endless(head(), MEGABYTE)) as (url, sent),
        ComfyClient(parse_server(url)) as client,
        pytest.raises(RemoteError, match="sends more than 3 MB for /view"),
    ):
        client.fetch(FILE, log.control, limit=3_000_000)
    assert max(sent) < 20_000_000


def test_slow_but_steady_is_fast_enough(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that an answer may take grows with what has come of it."""
    monkeypatch.setattr("soundreel.engines.comfyui.client.transport.READ_SECONDS", 1.0)
    monkeypatch.setattr("soundreel.engines.comfyui.client.wire.exchange.SLOWEST_BYTES_S", 2_000)
    data = bytes(8_000)

    def talk(send: Any) -> None:
        send(head(f"Content-Length: {len(data)}"))
        for start in range(0, len(data), 400):
            send(data[start : start + 400])
            time.sleep(0.06)

    with hostile(talk) as (url, _), ComfyClient(parse_server(url)) as client:
        assert client.fetch(FILE, log.control) == data


def test_a_huge_socket_message_ends_the_socket_and_not_the_job(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.listener.MESSAGE_LIMIT", 100_000)
    tell = FakeComfyUI._send

    async def tell_too_much(self: FakeComfyUI, event: str, data: Any, client: str | None) -> None:
        await tell(self, event, data, client)
        await self._deliver(client, lambda _: plain_preview(bytes(200_000)))

    monkeypatch.setattr(FakeComfyUI, "_send", tell_too_much)
    with FakeComfyUI() as server, client_for(server) as client:
        assert job(client, log)
        assert client._listener._bytes < 100_000


def test_unread_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.listener._KEPT_BYTES", 1_000_000)
    with FakeComfyUI() as server, client_for(server) as client:
        assert client.hears
        for _ in range(100):
            picture = plain_preview(b"\xff\xd8" + bytes(100_000))
            server.call(server._deliver(client.client_id, lambda _, p=picture: p))  # type: ignore[misc]
        end = time.monotonic() + 60
        while client._listener._bytes < 800_000 and time.monotonic() < end:
            time.sleep(0.02)
        assert 800_000 < client._listener._bytes <= 1_000_000
