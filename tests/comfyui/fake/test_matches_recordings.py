"""The fake server against extracts from recordings of a real one (ComfyUI 0.3.64)."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from comfyui.conftest import png_bytes, sweep, wav_bytes
from comfyui.fake.nodes import EXECUTABLE
from comfyui.fake.routes import DATA
from comfyui.fake.server import FakeComfyUI

RECORDED = json.loads((DATA / "recordings.json").read_text(encoding="utf-8"))


@pytest.fixture
def stocked(server: FakeComfyUI) -> FakeComfyUI:
    """With the files that the recorded graphs name."""
    song = wav_bytes(sweep(12))
    for folder, name in (("", "song.wav"), ("", "song15.wav"), ("acc", "acc_song.mp3")):
        server.files["input", folder, name] = song
    for name in ("ref.png", "acc_ref.png"):
        server.files["input", "", name] = png_bytes()
    return server


def test_every_node_that_is_offered_can_be_executed(server: FakeComfyUI) -> None:
    assert set(server.nodes) <= EXECUTABLE


def test_uploads_are_named_as_recorded(server: FakeComfyUI) -> None:
    bodies: dict[str, bytes] = {}
    for case in RECORDED["uploads"]:
        body = bodies.setdefault(case["sha256"], case["sha256"].encode())
        answer = httpx.post(
            f"{server.url}/upload/image",
            data=case["fields"],
            files={case["field"]: (case["filename"], body)},
        )
        assert answer.status_code == case["status"], case
        if case["answer"] is not None:
            assert answer.json() == case["answer"]


def _cases() -> list[dict[str, Any]]:
    beyond = ("missing inputs key", "cycle", "prompt is a list")  # what no builder can produce
    return [case for case in RECORDED["validation"] if case["note"] not in beyond]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["note"][:40])
def test_prompts_are_refused_as_recorded(stocked: FakeComfyUI, case: dict[str, Any]) -> None:
    body = copy.deepcopy(case.get("body"))
    if body is None:
        graph = {**copy.deepcopy(RECORDED["graph"]), **copy.deepcopy(case["changed"])}
        body = {"prompt": {k: v for k, v in graph.items() if k not in case["removed"]}}
    answer = httpx.post(f"{stocked.url}/prompt", json=body)
    assert answer.status_code == case["status"]
    assert _reason(answer.json()) == _reason(case["answer"])
    assert answer.json().keys() == case["answer"].keys()


def _reason(answer: dict[str, Any]) -> Any:
    nodes = {
        node: {
            "class": entry["class_type"],
            "outputs": entry["dependent_outputs"],
            "errors": sorted(
                (
                    error["type"],
                    error["message"],
                    error["details"].split(" not in [")[0],
                    # for an inner failure the server names an input of the next node: not imitated
                    "" if "inner" in error["type"] else error["extra_info"]["input_name"],
                )
                for error in entry["errors"]
            ),
        }
        for node, entry in answer["node_errors"].items()
    }
    return answer.get("error"), nodes


def _run(server: FakeComfyUI, graph: Any, *, flags: bool = False, before_end: Any = None) -> Any:
    """The messages of one prompt, from execution_start to its end."""
    with connect(f"ws{server.url[4:]}/ws?clientId=me", proxy=None) as socket:
        if flags:
            socket.send('{"type": "feature_flags", "data": {"supports_preview_metadata": true}}')
        assert json.loads(socket.recv())["data"]["sid"] == "me"
        body = {"prompt": graph, "client_id": "me"}
        assert httpx.post(f"{server.url}/prompt", json=body).json()["node_errors"] == {}
        return list(_until_end(socket, before_end))


def _until_end(socket: ClientConnection, before_end: Any) -> Any:
    started = False
    while True:
        raw = socket.recv(timeout=10)
        if isinstance(raw, bytes):
            yield {"type": f"binary {raw[3]}"}
            continue
        message = json.loads(raw)
        started = started or message["type"] == "execution_start"
        if not started:
            continue
        yield message
        if before_end is not None and message["type"] == "progress":
            before_end()
        if message["type"] == "executing" and message["data"]["node"] is None:
            return


def _shape(messages: list[dict[str, Any]], graph: Any) -> dict[str, list[str]]:
    """Message types by the node that they concern, in order; "" is the prompt itself."""
    shape: dict[str, list[str]] = {"": []}
    node = ""
    for message in messages:
        data = message.get("data", {})
        about = message.get("node") or data.get("node") or _last(data) or ""
        node = about or node
        if message["type"].startswith("binary"):
            shape[node].append(message["type"])
        elif message["type"] != "status":
            shape.setdefault(about, []).append(message["type"])
    return {graph[key]["class_type"] + key if key else "": value for key, value in shape.items()}


def _last(data: dict[str, Any]) -> str | None:
    """The node that a progress_state is about: in a run, the one that comes last."""
    return list(data["nodes"])[-1] if isinstance(data.get("nodes"), dict) else None


@pytest.mark.parametrize(("name", "flags"), [("previews", False), ("previews with metadata", True)])
def test_messages_of_a_run_come_in_the_recorded_order(
    stocked: FakeComfyUI, name: str, flags: bool
) -> None:
    graph = RECORDED["two_chunks"]
    made = _run(stocked, graph, flags=flags)
    recorded = RECORDED["runs"][name]
    ours, theirs = _shape(made, graph), _shape(recorded, graph)
    assert {node: ours[node] for node in theirs} == theirs  # the second recording was part cached
    for ours_now, recorded_now in _pairs_of_types(made, recorded):
        assert set(ours_now) == set(recorded_now)


def _pairs_of_types(made: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> Any:
    """The data of the first message of each type, ours and the recorded one."""
    for kind in ("execution_cached", "executing", "progress", "executed", "execution_success"):
        first = next(m["data"] for m in made if m["type"] == kind)
        first.pop("timestamp", None)
        yield first, next(m["data"] for m in recorded if m["type"] == kind)


def test_the_same_prompt_again_reports_the_old_file_even_if_deleted(stocked: FakeComfyUI) -> None:
    graph = RECORDED["two_chunks"]
    first = _run(stocked, graph)
    stocked.delete_files("output")
    again = _run(stocked, graph)
    assert _shape(again, graph) == _shape(RECORDED["runs"]["cached"], graph)
    files = [m["data"]["output"] for run in (first, again) for m in run if m["type"] == "executed"]
    assert files[0] == files[1]
    place = files[0]["images"][0]
    assert httpx.get(f"{stocked.url}/view", params=place).status_code == 404


def test_another_prefix_runs_only_the_output(stocked: FakeComfyUI) -> None:
    graph = copy.deepcopy(RECORDED["two_chunks"])
    _run(stocked, graph)
    graph["113"]["inputs"]["filename_prefix"] = "video/other"
    recorded = RECORDED["runs"]["only the output"]
    assert _shape(_run(stocked, graph), graph) == _shape(recorded, graph)


def test_a_failing_node_is_told_as_recorded(stocked: FakeComfyUI) -> None:
    stocked.faults.fail_node = ("LoadAudio", "ValueError", "Unsupported wav dtype: torch.uint8\n")
    made = _run(stocked, RECORDED["two_chunks"])
    recorded = RECORDED["runs"]["failed"]
    ours = next(m["data"] for m in made if m["type"] == "execution_error")
    theirs = next(m["data"] for m in recorded if m["type"] == "execution_error")
    for key in ("node_id", "node_type", "exception_message", "exception_type"):
        assert ours[key] == theirs[key]
    assert set(theirs) <= set(ours)
    assert [m["type"] for m in made][-4:] == [m["type"] for m in recorded][-4:]


def test_an_interrupt_is_told_as_recorded(stocked: FakeComfyUI) -> None:
    stocked.faults.step_seconds = 0.05
    graph = copy.deepcopy(RECORDED["two_chunks"])
    graph["3"]["inputs"]["steps"] = 60
    made = _run(stocked, graph, before_end=lambda: httpx.post(f"{stocked.url}/interrupt", json={}))
    recorded = RECORDED["runs"]["interrupted"]
    ours = next(m["data"] for m in made if m["type"] == "execution_interrupted")
    theirs = next(m["data"] for m in recorded if m["type"] == "execution_interrupted")
    assert ours["node_type"] == theirs["node_type"] == "KSampler"
    assert set(theirs) <= set(ours)
    assert [m["type"] for m in made][-3:] == [m["type"] for m in recorded][-3:]


@pytest.mark.parametrize("name", ["success", "failed", "interrupted"])
def test_history_has_the_recorded_shape(stocked: FakeComfyUI, name: str) -> None:
    graph = copy.deepcopy(RECORDED["two_chunks"])
    stop = None
    if name == "failed":
        stocked.faults.fail_node = ("LoadAudio", "ValueError", "no")
    if name == "interrupted":
        stocked.faults.step_seconds = 0.02
        graph["3"]["inputs"]["steps"] = 60
        stop = stocked.interrupt_from_elsewhere
    _run(stocked, graph, before_end=stop)
    (entry,) = httpx.get(f"{stocked.url}/history").json().values()
    recorded = RECORDED["history"][name]
    assert entry.keys() == recorded.keys()
    assert {k: entry["status"][k] for k in ("status_str", "completed")} == {
        k: recorded["status"][k] for k in ("status_str", "completed")
    }
    assert [m[0] for m in entry["status"]["messages"]] == [
        m[0] for m in recorded["status"]["messages"]
    ]
    assert entry["outputs"].keys() == recorded["outputs"].keys()
    assert len(entry["prompt"]) == len(recorded["prompt"])


def test_the_queue_has_the_recorded_shape(server: FakeComfyUI) -> None:
    for _ in range(3):
        server.add_foreign_job(5)
    queue = httpx.get(f"{server.url}/queue").json()
    assert queue.keys() == RECORDED["queue"].keys()
    assert {key: len(rows) for key, rows in queue.items()} == {
        key: len(rows) for key, rows in RECORDED["queue"].items()
    }
    row, recorded = queue["queue_pending"][0], RECORDED["queue"]["queue_pending"][0]
    assert [type(part) for part in row] == [type(part) for part in recorded]


def test_a_second_socket_under_the_same_name_goes_silent(stocked: FakeComfyUI) -> None:
    url = f"ws{stocked.url[4:]}/ws?clientId=me"
    with connect(url, proxy=None) as first, connect(url, proxy=None) as second:
        first.recv()
        assert json.loads(second.recv())["type"] == "status"
        first.close()
        body = {"prompt": RECORDED["two_chunks"], "client_id": "me"}
        httpx.post(f"{stocked.url}/prompt", json=body)
        with pytest.raises(TimeoutError):
            second.recv(timeout=0.3)


def test_a_restart_forgets_queue_and_history_and_counts_from_zero(stocked: FakeComfyUI) -> None:
    stocked.faults.down_seconds = 0.02
    _run(stocked, RECORDED["two_chunks"])
    stocked.restart()
    assert httpx.get(f"{stocked.url}/history").json() == {}
    assert httpx.get(f"{stocked.url}/queue").json() == {"queue_running": [], "queue_pending": []}
    answer = httpx.post(f"{stocked.url}/prompt", json={"prompt": RECORDED["two_chunks"]}).json()
    assert answer["number"] == 0


def test_a_foreign_origin_is_turned_away(server: FakeComfyUI) -> None:
    assert httpx.get(f"{server.url}/queue", headers={"Origin": "http://x"}).status_code == 403


def test_chunks_get_the_buckets_that_were_measured() -> None:
    """Frames wanted and buckets got, for pairs of chunk lengths (measured by perturbation)."""
    from comfyui.fake.values import Heard, chunk_audio

    measured = [(77, 49, 6.0, 24), (77, 49, 12.0, 52), (49, 77, 6.0, 80), (77, 33, 5.4, 28)]
    for first, second, seconds, got in measured:
        heard = Heard(np.zeros((int(seconds * 16), 2), np.int64))
        offset = 4 * ((first - 1) // 4 + 1)
        audio = chunk_audio(heard, (second - 1) // 4 + 1, offset)
        assert audio is not None
        assert len(audio) == got
    for seconds, lengths in ((4.0, [80, None]), (5.1, [80, 80, None]), (9.9, [80, 80, None])):
        heard = Heard(np.zeros((int(seconds * 16), 2), np.int64))
        for chunk, length in zip(itertools.count(), lengths, strict=False):
            audio = chunk_audio(heard, 20, 80 * chunk)
            assert (None if audio is None else len(audio)) == length
