"""The fake server in its newer manner against extracts from recordings of ComfyUI 0.33.0."""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from comfyui.conftest import png_bytes, short_graph, sweep, wav_bytes
from comfyui.fake.nodes import EXECUTABLE
from comfyui.fake.routes import DATA
from comfyui.fake.server import FakeComfyUI

RECORDED = json.loads((DATA / "recordings_newer.json").read_text(encoding="utf-8"))


@pytest.fixture
def newer() -> Iterator[FakeComfyUI]:
    with FakeComfyUI(newer=True) as server:
        server.files["input", "", "speech.wav"] = wav_bytes(sweep(2))
        server.files["input", "sub", "s.wav"] = wav_bytes(sweep(2))
        server.files["input", "", "portrait.png"] = png_bytes()
        server.files["input", "", "ref.png"] = png_bytes()
        yield server


def test_every_node_that_is_offered_can_be_executed(newer: FakeComfyUI) -> None:
    assert set(newer.nodes) <= EXECUTABLE


@pytest.mark.parametrize("case", RECORDED["validation"], ids=lambda case: case["note"][:40])
def test_prompts_are_refused_as_recorded(newer: FakeComfyUI, case: dict[str, Any]) -> None:
    body = copy.deepcopy(case["body"])
    if "changed" in case:
        body["prompt"] = {**copy.deepcopy(RECORDED["graph"]), **copy.deepcopy(case["changed"])}
    _stock(newer, body.get("prompt"), case)
    answer = httpx.post(f"{newer.url}/prompt", json=body)
    said = answer.json()
    assert answer.status_code == case["status"]
    assert said.get("error", {}).get("type") == case["error"]
    found = {
        node: sorted(error["type"] for error in entry["errors"])
        for node, entry in said.get("node_errors", {}).items()
    }
    assert found == case["node_errors"]


def _stock(server: FakeComfyUI, graph: Any, case: dict[str, Any]) -> None:
    """Put the files there that a recorded graph names, unless it is the file that is unknown."""
    for node in graph.values() if isinstance(graph, dict) else ():
        for name in ("audio", "image"):
            value = node["inputs"].get(name)
            if isinstance(value, str) and "nope" not in value:
                folder, _, file = value.removesuffix(" [input]").rpartition("/")
                server.files["input", folder, file] = wav_bytes(sweep(2))


def test_a_cancel_takes_off_its_own_job_and_no_other(newer: FakeComfyUI) -> None:
    """As recorded: running, pending, unknown; the second call before the end says true again."""
    newer.faults.step_seconds = 0.05
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for prompt_id in ids:
        graph = short_graph("speech.wav", steps=1000, seed=len(prompt_id))
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": "me"}
        assert httpx.post(f"{newer.url}/prompt", json=body).json()["prompt_id"] == prompt_id

    def cancel(prompt_id: str) -> bool:
        answer = httpx.post(f"{newer.url}/api/jobs/{prompt_id}/cancel")
        assert answer.status_code == 200
        return bool(answer.json()["cancelled"])

    def state(prompt_id: str) -> str:
        answer = httpx.get(f"{newer.url}/api/jobs/{prompt_id}").json()
        return str(answer.get("status") or answer["error"])

    _until(lambda: state(ids[0]) == "in_progress")
    assert state(ids[1]) == "pending"
    assert cancel(ids[1])
    assert state(ids[1]) == "Job not found"
    assert not cancel(ids[1])
    assert cancel(ids[0])
    _until(lambda: state(ids[0]) == "cancelled")
    assert not cancel(ids[0])
    assert not cancel("not-a-uuid")
    _until(lambda: state(ids[2]) == "in_progress")
    assert httpx.get(f"{newer.url}/jobs/{ids[2]}").status_code in (404, 405)


def test_pictures_on_the_socket_come_as_recorded(newer: FakeComfyUI) -> None:
    """Counted from 0, as PNG of full size; with metadata before their progress, else after it. No
    file is written, and the history shows no outputs."""
    before = set(newer.files)
    for flags, order in ((False, ["progress", "picture"]), (True, ["picture", "progress"])):
        graph = short_graph("speech.wav", length=5)
        graph["10"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["9", 0]}}
        heard = _listen(newer, graph, flags=flags)
        of_node = [what for what, node in heard if node == "10"]
        assert of_node == order * 5
    assert set(newer.files) == before
    (*_, last) = newer.engine.history.values()
    assert last["outputs"] == {}


def _listen(server: FakeComfyUI, graph: Any, *, flags: bool) -> list[tuple[str, str]]:
    """("progress" | "picture", node) in order, until the prompt ends."""
    heard: list[tuple[str, str]] = []
    with connect(f"ws{server.url[4:]}/ws?clientId=me", proxy=None) as socket:
        if flags:
            socket.send('{"type": "feature_flags", "data": {"supports_preview_metadata": true}}')
        assert json.loads(socket.recv())["data"]["sid"] == "me"
        httpx.post(f"{server.url}/prompt", json={"prompt": graph, "client_id": "me"})
        running = ""
        while True:
            raw = socket.recv(timeout=10)
            if isinstance(raw, bytes):
                heard.append(("picture", running))
                continue
            message = json.loads(raw)
            data = message["data"]
            if message["type"] == "executing":
                if data["node"] is None:
                    return heard
                running = data["node"]
            if message["type"] == "progress":
                heard.append(("progress", data["node"]))


def _until(true: Any) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
