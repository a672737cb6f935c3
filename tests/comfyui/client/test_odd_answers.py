"""Answers of odd shapes: every one is read, or is an EngineError; the socket's reader survives."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel

from comfyui.client.test_faults import job
from comfyui.conftest import Log, client_for
from comfyui.fake.routes import DATA
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.jobs import QueueState
from soundreel.engines.comfyui.client.messages import parse_message
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.engines.comfyui.client.wire.answers import (
    AnyHistory,
    HistoryAnswer,
    NodesAnswer,
    PromptAnswer,
    QueueAnswer,
    SystemStats,
    UploadAnswer,
)
from soundreel.engines.comfyui.client.wire.errors import failed_prompt, refused_prompt
from soundreel.engines.comfyui.client.wire.exchange import Answer
from soundreel.engines.comfyui.graphs.schema import parse_object_info
from soundreel.engines.comfyui.preflight import free_memory
from soundreel.errors import EngineError, RemoteError

ODD: list[Any] = [None, True, -1, 1e400, 10**40, "", "x", [], [None], {}, {"": None}, [[]]]
FILE = {"filename": "a", "subfolder": "s", "type": "temp"}
ROW = [3, "id", {}, {"client_id": "c", "soundreel_run": "m"}, ["9"]]
EVENT = {"node_id": "3", "node_type": "K", "exception_type": "E", "exception_message": "m"}
ENTRY = {
    "prompt": ROW,
    "outputs": {"9": {"images": [FILE]}},
    "status": {
        "status_str": "error",
        "completed": False,
        "messages": [["execution_cached", {"nodes": ["1"]}], ["execution_error", EVENT]],
    },
}
DETAIL = {"type": "t", "message": "m", "details": "d", "extra_info": {"input_name": "i"}}
REFUSED = {"error": DETAIL, "node_errors": {"9": {"class_type": "K", "errors": [DETAIL]}}}
STATS = json.loads((DATA / "system_stats.json").read_text())
NODES = {
    name: node
    for name, node in json.loads((DATA / "object_info.json").read_text()).items()
    if name in ("VAELoader", "KSampler")
}


def use_queue(answer: QueueAnswer) -> None:
    QueueState(answer.queue_running, answer.queue_pending).find("id")


def use_history(answer: HistoryAnswer) -> None:
    for entry in answer.root.values():
        failed_prompt(entry.status.events(), "id")


def use_nodes(answer: NodesAnswer) -> None:
    catalog = parse_object_info(answer.root)
    catalog.options("VAELoader", "vae_name")


CASES: dict[str, tuple[type[BaseModel], Any, Any]] = {
    "system_stats": (SystemStats, STATS, lambda a: (a.version, free_memory(a))),
    "object_info": (NodesAnswer, NODES, use_nodes),
    "queue": (QueueAnswer, {"queue_running": [ROW], "queue_pending": [ROW]}, use_queue),
    "history of one": (HistoryAnswer, {"id": ENTRY}, use_history),
    "history": (AnyHistory, {"id": ENTRY}, lambda a: a.entries()),
    "prompt": (PromptAnswer, REFUSED, lambda a: refused_prompt(a, 400)),
    "upload": (UploadAnswer, {"name": "a", "subfolder": "b"}, lambda a: a.name + a.subfolder),
}


def mutants(value: Any) -> Iterator[Any]:
    """The value with every part of it replaced by every odd one, and left out."""
    yield from ODD
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            for changed in mutants(value[key]):
                whole = copy.copy(value)
                whole[key] = changed
                yield whole
            without = copy.copy(value)
            del without[key]
            yield without


@pytest.mark.parametrize("name", CASES)
def test_an_odd_answer_is_read_or_refused(name: str) -> None:
    model, right, use = CASES[name]
    refused = []
    with Transport(parse_server("http://h"), 1.0) as transport:
        for odd in mutants(right):
            text = json.dumps(odd).replace("Infinity", "1e400").encode()
            try:
                use(transport.parsed(Answer(200, {}, text, "/x"), model))
            except EngineError as err:
                refused.append(err.message)
    assert refused
    assert max(map(len, refused)) < 400


def test_a_deep_answer_is_refused() -> None:
    with Transport(parse_server("http://h"), 1.0) as transport:
        deep = b'{"queue_running":' + b"[" * 100_000
        with pytest.raises(EngineError):
            transport.parsed(Answer(200, {}, deep, "/queue"), QueueAnswer)


MESSAGES: list[dict[str, Any]] = [
    {"type": "progress", "data": {"value": 1, "max": 2, "prompt_id": "p", "node": "3"}},
    {"type": "executing", "data": {"node": "3", "prompt_id": "p"}},
    {"type": "execution_error", "data": EVENT},
]


def test_no_socket_message_breaks_the_reader() -> None:
    for right in MESSAGES:
        for odd in mutants(right):
            parse_message(json.dumps(odd).replace("Infinity", "1e400"))
    parse_message("[" * 100_000)
    for about in ODD:
        text = json.dumps(about).replace("Infinity", "1e400").encode()
        for announced in (0, len(text), 2**32 - 1):
            parse_message(b"\0\0\0\4" + announced.to_bytes(4, "big") + text + b"\xff\xd8")


@pytest.mark.parametrize("odd", ["[]", "null", '{"queue_running": 5}', '{"queue_running": [[1]]}'])
def test_in_a_job_too(odd: str, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.wire.faults.OTHER_SECONDS", 0.2)

    async def answer(self: FakeComfyUI, request: web.Request) -> web.Response:
        return web.Response(text=odd, content_type="application/json")

    monkeypatch.setattr(FakeComfyUI, "_get_queue", answer)
    with FakeComfyUI() as server, client_for(server) as client:
        server.faults.step_seconds = 0.3
        with pytest.raises(RemoteError, match="/queue"):
            job(client, log)


def test_a_reader_that_heard_nonsense_still_hears_progress(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = FakeComfyUI._send

    async def babble(self: FakeComfyUI, event: str, data: Any, client: str | None) -> None:
        for nonsense in ("[" * 5000, '{"type": 5, "data": []}', b"\0\0\0\4\0\0\0\2[]", b"\1"):
            await self._deliver(client, lambda _, n=nonsense: n)  # type: ignore[misc]
        await tell(self, event, data, client)

    monkeypatch.setattr(FakeComfyUI, "_send", babble)
    with FakeComfyUI() as server, client_for(server) as client:
        assert job(client, log)
        assert client._listener.losses == 0
