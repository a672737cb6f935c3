"""Runs on a server that behaves: results, progress, errors, cancelling, a queue of others' jobs."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import httpx
import pytest

from comfyui.conftest import Log, client_for, decode_png, short_graph, sweep, wav_bytes
from comfyui.fake.engine import _Run
from comfyui.fake.pictures import read_code
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.results import NodeStarted, Preview, Progress, Queued, Step
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.errors import ResultGone
from soundreel.errors import Cancelled, EngineError, InputError, OutOfMemory, RemoteError
from soundreel.events import RunControl


@pytest.fixture
def graph(client: ComfyClient, log: Log) -> dict[str, Any]:
    return short_graph(client.upload(wav_bytes(sweep(2)), ".wav", log.control))


def test_pictures_come_back_in_order_and_in_time(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    pictures = client.run_and_fetch(graph, log.control, wanted=["10"])["10"]
    codes = [read_code(decode_png(picture)) for picture in pictures]
    assert [code.bucket for code in codes] == list(range(9))
    assert log.notices == ""


def test_progress_tells_nodes_steps_and_previews(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    seen: list[Progress] = []
    client.run(graph, log.control, wanted=["10"], on_progress=seen.append)
    assert [p for p in seen if isinstance(p, Step)] == [Step("8", 1, 2), Step("8", 2, 2)]
    assert NodeStarted("9") in seen
    previews = [p for p in seen if isinstance(p, Preview)]
    assert [p.node for p in previews] == ["8", "8"]
    assert all(p.mime_type == "image/jpeg" and p.image[:2] == b"\xff\xd8" for p in previews)


def test_the_same_graph_again_gives_new_files_but_keeps_the_servers_work(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    first = client.run(graph, log.control, wanted=["10"])
    server.delete_files("temp")
    second = client.run_and_fetch(graph, log.control, wanted=["10"])["10"]
    assert len(second) == 9
    ran_twice = [node for prompt, node in server.engine.executed_nodes if prompt != first.prompt_id]
    assert ran_twice == ["10"]


def test_what_can_wait_is_done_while_the_server_works(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    """The files of one run are emptied in the next."""
    client.run_and_fetch(graph, log.control, wanted=["10"])
    assert not server.emptied
    seen: list[tuple[int, int]] = []
    client.run_and_fetch(
        {**graph, "8": {**graph["8"], "inputs": {**graph["8"]["inputs"], "seed": 2}}},
        log.control,
        wanted=["10"],
        meanwhile=lambda: seen.append((len(server.prompts), len(server.emptied))),
    )
    assert seen == [(2, 9)]


def test_while_it_runs_only_the_queue_is_asked(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.step_seconds = 0.15
    prompt = client.run(graph, log.control, wanted=["10"]).prompt_id
    assert server.requests.count(("GET", f"/history/{prompt}")) == 1
    assert server.requests.count(("GET", "/queue")) > 2


def test_a_name_is_never_given_twice(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    """Even if the server loses its files and counts anew, another's file is not fetched as ours."""
    graph["10"] = {
        "class_type": "SaveLatent",
        "inputs": {"samples": ["8", 0], "filename_prefix": "soundreel/x"},
    }
    (ours,) = client.run(graph, log.control, wanted=["10"]).files("10")
    server.delete_files("output")
    with client_for(server) as other:
        other.run(graph, log.control, wanted=["10"])
    with pytest.raises(ResultGone):
        client.fetch(ours, log.control)


def test_an_answer_from_the_cache_is_not_taken(
    client: ComfyClient,
    server: FakeComfyUI,
    graph: dict[str, Any],
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a server left unknown inputs out of its cache key."""
    monkeypatch.setattr(
        "soundreel.engines.comfyui.client.run._marked", lambda graph, *_: dict(graph)
    )
    client.run(graph, log.control, wanted=["10"])
    with pytest.raises(RemoteError, match="from its cache"):
        client.run(graph, log.control, wanted=["10"])


def test_an_output_without_files_is_an_error(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    graph["12"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["9", 0]}}
    with pytest.raises(RemoteError, match="without files from node 12"):
        client.run(graph, log.control, wanted=["10", "12"])


def test_other_peoples_jobs_are_not_mixed_up_with_ours(
    server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    """Two clients at once, one of them hearing what is sent to all."""
    server.faults.step_seconds = 0.05
    others = {**graph, "8": {**graph["8"], "inputs": {**graph["8"]["inputs"], "steps": 9}}}
    results: dict[str, list[bytes]] = {}
    seen: list[Progress] = []

    def run(name: str, which: dict[str, Any], heard: list[Progress]) -> None:
        with client_for(server) as client:
            fetched = client.run_and_fetch(
                which, log.control, wanted=["10"], on_progress=heard.append
            )
            results[name] = fetched["10"]

    threads = [
        threading.Thread(target=run, args=("ours", graph, seen)),
        threading.Thread(target=run, args=("theirs", others, [])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results["ours"] != results["theirs"]
    with client_for(server) as client:
        alone = client.run_and_fetch(graph, log.control, wanted=["10"])["10"]
    assert results["ours"] == alone
    steps = [p for p in seen if isinstance(p, Step)]
    assert steps
    assert {step.maximum for step in steps} == {2}


@pytest.mark.parametrize("metadata", [True, False], ids=["new_server", "old_server"])
def test_progress_that_is_sent_to_all_is_not_taken_for_ours(metadata: bool, log: Log) -> None:
    """A prompt posted without a client id is told to every client."""
    seen: list[Progress] = []
    with FakeComfyUI(metadata=metadata) as server, client_for(server) as client:
        server.faults.step_seconds = 0.03
        name = client.upload(wav_bytes(sweep(1)), ".wav", log.control)
        client.run(short_graph(name), log.control, wanted=["10"])
        httpx.post(f"{server.url}/prompt", json={"prompt": short_graph(name, steps=9)})
        graph = short_graph(name, seed=2)
        client.run(graph, log.control, wanted=["10"], on_progress=seen.append)
    assert [p for p in seen if isinstance(p, Step)] == [Step("8", 1, 2), Step("8", 2, 2)]
    assert len([p for p in seen if isinstance(p, Preview)]) == 2


def test_a_full_queue_is_waited_for_and_said(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    others = [server.add_foreign_job(60) for _ in range(3)]
    places: list[int] = []

    def go_on(progress: Progress) -> None:
        if isinstance(progress, Queued):
            places.append(progress.position)
            if progress.position:
                server.end_foreign_job(others[-progress.position])

    client.run(graph, log.control, wanted=["10"], on_progress=go_on)
    assert places == [3, 2, 1, 0]
    assert "has 3 other jobs before ours" in log.notices
    assert "has 1 other job before ours" in log.notices


# -- errors ------------------------------------------------------------------------------------


def test_a_refused_graph_names_node_input_and_the_servers_words(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    graph["6"]["inputs"]["vae_name"] = "nope.safetensors"
    graph["7"]["inputs"]["width"] = 8
    with pytest.raises(RemoteError) as caught:
        client.run(graph, log.control, wanted=["10"])
    message = caught.value.message
    assert "node 6 (VAELoader): Value not in list: vae_name: 'nope.safetensors'" in message
    assert "node 7 (WanSoundImageToVideo)" in message
    assert "Value 8 smaller than min of 16: width" in message
    assert caught.value.node_id in ("6", "7")


def test_a_partly_valid_graph_is_an_error_and_does_not_stay_on_the_server(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.step_seconds = 0.2
    graph["20"] = {"class_type": "LoadImage", "inputs": {"image": "nope.png"}}
    graph["21"] = {"class_type": "PreviewImage", "inputs": {"images": ["20", 0]}}
    with pytest.raises(RemoteError, match=r"node 20 .*Invalid image file: nope.png") as caught:
        client.run(graph, log.control, wanted=["10", "21"])
    assert caught.value.prompt_id
    assert server.queue_ids() == []


def test_a_failing_node_keeps_the_servers_words(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.fail_node = ("VAEDecode", "RuntimeError", "tiles do not fit\n")
    with pytest.raises(RemoteError, match="RuntimeError: tiles do not fit") as caught:
        client.run(graph, log.control, wanted=["10"])
    assert caught.value.node_id == "9"
    assert caught.value.prompt_id == server.prompts[-1]
    assert "VAEDecode" in caught.value.message


def test_an_unknown_audio_encoder_passes_validation_and_fails_by_name(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    graph["2"]["inputs"]["audio_encoder_name"] = "nope.safetensors"
    with pytest.raises(RemoteError, match=r"'nope.safetensors' not found") as caught:
        client.run(graph, log.control, wanted=["10"])
    assert caught.value.node_id == "2"


def test_a_size_that_is_no_multiple_of_16_fails_inside_the_run(
    client: ComfyClient, graph: dict[str, Any], log: Log
) -> None:
    graph["7"]["inputs"]["width"] = 72
    with pytest.raises(RemoteError, match=r"node 8 \(KSampler\) failed"):
        client.run(graph, log.control, wanted=["10"])


def test_out_of_memory_has_a_hint(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.fail_node = ("KSampler", "torch.OutOfMemoryError", "Allocation on device\n")
    with pytest.raises(OutOfMemory) as caught:
        client.run(graph, log.control, wanted=["10"])
    assert "size" in caught.value.hint


def test_broken_sound_is_the_servers_error(client: ComfyClient, log: Log) -> None:
    graph = short_graph(client.upload(b"not a sound", ".wav", log.control))
    with pytest.raises(RemoteError, match=r"node 1 \(LoadAudio\) failed.*Invalid data"):
        client.run(graph, log.control, wanted=["10"])


# -- stopping ----------------------------------------------------------------------------------


def cancel_at_first_step(control: RunControl) -> Any:
    def on_progress(event: Progress) -> None:
        if isinstance(event, Step):
            control.cancel()

    return on_progress


def test_cancelling_stops_our_prompt_on_the_server(
    client: ComfyClient,
    server: FakeComfyUI,
    graph: dict[str, Any],
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.faults.step_seconds = 0.05
    graph["8"]["inputs"]["steps"] = 1000
    steps, step = itertools.count(), _Run._step

    async def counted(run: _Run, node: str, value: int, maximum: int) -> None:
        next(steps)
        await step(run, node, value, maximum)

    monkeypatch.setattr(_Run, "_step", counted)
    with pytest.raises(Cancelled):
        client.run(graph, log.control, wanted=["10"], on_progress=cancel_at_first_step(log.control))
    assert 0 < next(steps) < 100
    assert server.queue_ids() == []
    (entry,) = server.engine.history.values()
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_an_interrupt_that_does_not_take_is_repeated(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.step_seconds = 0.05
    server.faults.ignored_interrupts = 3
    graph["8"]["inputs"]["steps"] = 1000
    with pytest.raises(Cancelled):
        client.run(graph, log.control, wanted=["10"], on_progress=cancel_at_first_step(log.control))
    assert server.queue_ids() == []


def test_a_node_that_cannot_be_interrupted_is_waited_for(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.decode_seconds = 0.5

    def cancel(event: Progress) -> None:
        if event == NodeStarted("9"):
            log.control.cancel()

    with pytest.raises(Cancelled):
        client.run(graph, log.control, wanted=["10"], on_progress=cancel)
    assert server.queue_ids() == []
    assert (server.prompts[-1], "10") not in server.engine.executed_nodes


def test_a_server_that_cannot_stop_is_left_with_a_word(
    client: ComfyClient,
    server: FakeComfyUI,
    graph: dict[str, Any],
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.run._STOP_SECONDS", 0.2)
    server.faults.step_seconds = 0.05
    server.faults.ignored_interrupts = 10**6
    graph["8"]["inputs"]["steps"] = 1000
    with pytest.raises(Cancelled):
        client.run(graph, log.control, wanted=["10"], on_progress=cancel_at_first_step(log.control))
    assert "still works on our job" in log.notices


def test_cancelling_in_the_queue_takes_ours_out_and_leaves_others(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    others = [server.add_foreign_job(30), server.add_foreign_job(30)]

    def cancel(event: Progress) -> None:
        if isinstance(event, Queued):
            log.control.cancel()

    with pytest.raises(Cancelled):
        client.run(graph, log.control, wanted=["10"], on_progress=cancel)
    assert server.queue_ids() == others


def test_the_time_limit_bounds_the_job_and_cleans_up(
    server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.step_seconds = 0.05
    graph["8"]["inputs"]["steps"] = 1000
    log.control.stop_after(1.2)
    with (
        client_for(server) as client,
        pytest.raises(EngineError, match=r"not finished within `timeout=1\.2`") as caught,
    ):
        client.run(graph, log.control, wanted=["10"])
    assert "goes on" in caught.value.hint
    assert server.queue_ids() == []


def test_an_interrupt_from_elsewhere_is_said_and_not_repeated(
    client: ComfyClient, server: FakeComfyUI, graph: dict[str, Any], log: Log
) -> None:
    server.faults.step_seconds = 0.05
    graph["8"]["inputs"]["steps"] = 1000

    def interrupt(event: Progress) -> None:
        if isinstance(event, Step):
            server.interrupt_from_elsewhere()

    with pytest.raises(RemoteError, match="interrupted on the server"):
        client.run(graph, log.control, wanted=["10"], on_progress=interrupt)
    assert len(server.prompts) == 1


def test_errors_of_the_graph_maker_leave_nothing_behind(
    client: ComfyClient, server: FakeComfyUI, log: Log
) -> None:
    def make() -> dict[str, Any]:
        raise InputError("no such picture")

    with pytest.raises(InputError):
        client.run(make, log.control, wanted=["10"])
    assert server.prompts == []
