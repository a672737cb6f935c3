"""Whatever goes wrong, a run ends with the same result or a clear error, never with a wrong file.

The run of a fixed small graph is repeated with the fault at every place where it can strike.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import web

from comfyui.conftest import Log, client_for, once, short_graph, side_by_side, sweep, wav_bytes
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client import retry
from soundreel.engines.comfyui.client.results import Progress, Step
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.errors import Cancelled, EngineError, EngineUnavailable, RemoteError

SOUND = wav_bytes(sweep(1))


def job(client: ComfyClient, log: Log, **changes: Any) -> str:
    """Upload, run, fetch: a digest of the pictures."""

    def graph() -> dict[str, Any]:
        return short_graph(client.upload(SOUND, ".wav", log.control), length=5, **changes)

    pictures = client.run_and_fetch(graph, log.control, wanted=["10"])["10"]
    return hashlib.sha256(b"".join(pictures)).hexdigest()


def run_with(prepare: Callable[[FakeComfyUI], None], log: Log) -> tuple[str, FakeComfyUI]:
    with FakeComfyUI() as server:
        server.faults.down_seconds = 0.02
        prepare(server)
        with client_for(server) as client:
            digest = job(client, log)
        assert server.queue_ids() == [], "something of ours is still in the queue"
        return digest, server


@pytest.fixture(scope="module")
def undisturbed() -> tuple[str, int, int]:
    """The right result; how many socket messages and how many HTTP requests it takes."""
    digest, server = run_with(lambda _: None, Log())
    return digest, server.messages_sent, len(server.requests)


def test_the_run_is_long_enough_to_be_cut(undisturbed: tuple[str, int, int]) -> None:
    _, messages, requests = undisturbed
    assert messages > 40
    assert requests > 8


def test_socket_cut_at_every_message(undisturbed: tuple[str, int, int]) -> None:
    right, messages, _ = undisturbed

    def try_at(message: int) -> None:
        def cut(server: FakeComfyUI) -> None:
            server.faults.cut_socket_at = message

        digest, server = run_with(cut, Log())
        assert digest == right, f"cut at message {message}"
        assert len(server.prompts) == 1, f"cut at message {message}"

    side_by_side(try_at, range(1, messages + 1))


def test_server_restarted_at_every_message(undisturbed: tuple[str, int, int]) -> None:
    right, messages, _ = undisturbed

    def try_at(message: int) -> None:
        def kill(server: FakeComfyUI) -> None:
            server.faults.restart_at = message

        digest, server = run_with(kill, log := Log())
        assert digest == right, f"killed at message {message}"
        if server.restarts and len(server.prompts) > 1:
            assert "submitted again" in log.notices or "runs again" in log.notices

    side_by_side(try_at, range(1, messages + 1))


@pytest.mark.parametrize("fault", ["cut_request_at", "lose_answer_at"])
def test_every_request_cut(undisturbed: tuple[str, int, int], fault: str) -> None:
    """Before the server has seen it, or after, its answer lost: then nothing is sent twice."""
    right, _, requests = undisturbed

    def try_at(number: int) -> None:
        def cut(server: FakeComfyUI) -> None:
            setattr(server.faults, fault, number)

        digest, server = run_with(cut, log := Log())
        assert digest == right, f"request {number}"
        assert len(server.prompts) == 1, f"request {number}"
        if ("GET", "/view") in server.requests[number:]:  # the tidying behind is not waited for
            assert "waiting for it" in log.notices
            assert "answers again" in log.notices

    side_by_side(try_at, range(1, requests + 1))


def test_a_silent_socket_is_made_up_for_by_polling(undisturbed: tuple[str, int, int]) -> None:
    def silence(server: FakeComfyUI) -> None:
        server.faults.silent = True

    digest, _ = run_with(silence, Log())
    assert digest == undisturbed[0]


def test_a_socket_that_stays_silent_is_opened_anew(
    server: FakeComfyUI, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.run._FIRST_SILENCE_SECONDS", 0.2)
    server.faults.silent = True
    server.faults.step_seconds = 0.1  # until one is heard
    steps: list[Step] = []

    def hear_again() -> None:
        time.sleep(0.3)
        server.faults.silent = False

    def hear(progress: Progress) -> None:
        if isinstance(progress, Step):
            steps.append(progress)
            server.faults.step_seconds = 0.0

    threading.Thread(target=hear_again).start()
    with client_for(server) as client:
        graph = short_graph(client.upload(SOUND, ".wav", log.control), steps=300)
        client.run(graph, log.control, wanted=["10"], on_progress=hear)
    assert steps
    assert steps[-1] == Step("8", 300, 300)


def test_a_gateway_without_its_server_is_waited_for(
    server: FakeComfyUI, log: Log, undisturbed: tuple[str, int, int]
) -> None:
    with client_for(server) as client:
        server.faults.bad_gateway = 2
        assert job(client, log) == undisturbed[0]
    assert "answers 502" in log.notices


def test_a_download_that_breaks_off_is_fetched_again(
    server: FakeComfyUI, log: Log, undisturbed: tuple[str, int, int]
) -> None:
    server.faults.broken_downloads = 2
    with client_for(server) as client:
        assert job(client, log) == undisturbed[0]
    assert len(server.prompts) == 1


def test_a_server_that_stands_still_does_not_get_the_job_twice(
    server: FakeComfyUI,
    log: Log,
    undisturbed: tuple[str, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer to the prompt comes too late, but the prompt arrived."""
    monkeypatch.setattr("soundreel.engines.comfyui.client.transport.READ_SECONDS", 0.3)
    with client_for(server) as client:
        name = client.upload(SOUND, ".wav", log.control)
        server.faults.hanging = 1
        graph = short_graph(name, length=5)
        pictures = client.run_and_fetch(graph, log.control, wanted=["10"])["10"]
    assert hashlib.sha256(b"".join(pictures)).hexdigest() == undisturbed[0]
    assert len(server.prompts) == 1


def test_a_lost_answer_of_a_server_with_ids_of_its_own(
    log: Log, undisturbed: tuple[str, int, int]
) -> None:
    with FakeComfyUI(own_ids=True) as server, client_for(server) as client:
        server.faults.lose_answer_at = 2
        assert job(client, log) == undisturbed[0]
    assert server.requests[1] == ("POST", "/prompt")
    assert len(server.prompts) == 1


def test_a_restart_that_loses_the_uploads_too(
    server: FakeComfyUI, log: Log, undisturbed: tuple[str, int, int]
) -> None:
    """A container without a volume: the graph is made, and its files sent, once more."""
    server.faults.step_seconds = 5.0

    def lose_everything() -> None:
        server.faults.step_seconds = 0.0
        server.delete_files("input")
        server.restart()

    once(lambda: server.engine.last_node, lose_everything)
    with client_for(server) as client:
        assert job(client, log) == undisturbed[0]
    assert len(server.uploads) == 2
    assert "submitted again" in log.notices


def test_results_that_vanish_before_they_are_fetched_are_made_again(
    log: Log,
    undisturbed: tuple[str, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restart between the end of the run and the last fetch: no mixture of two runs comes out."""
    view, calls = FakeComfyUI._view, [0]

    async def view_with_accident(self: FakeComfyUI, request: web.Request) -> web.StreamResponse:
        calls[0] += request.method == "GET"
        if calls[0] == 3:
            self.delete_files("temp")
            await self._restart()
        return await view(self, request)

    monkeypatch.setattr(FakeComfyUI, "_view", view_with_accident)
    with FakeComfyUI() as server, client_for(server) as client:
        assert job(client, log) == undisturbed[0]
    assert len(server.prompts) == 2
    assert "runs again" in log.notices


def test_results_that_always_vanish_are_an_error(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    view = FakeComfyUI._view

    async def view_nothing(self: FakeComfyUI, request: web.Request) -> web.StreamResponse:
        self.delete_files("temp")
        return await view(self, request)

    monkeypatch.setattr(FakeComfyUI, "_view", view_nothing)
    with (
        FakeComfyUI() as server,
        client_for(server) as client,
        pytest.raises(RemoteError, match="any more"),
    ):
        job(client, log)


def test_a_server_that_dies_of_the_job_is_not_fed_for_ever(server: FakeComfyUI, log: Log) -> None:
    server.faults.down_seconds = 0.02

    def kill_at_first_node() -> None:
        while not stop.is_set():
            if server.engine.last_node:
                server.restart()
            time.sleep(0.01)

    stop = threading.Event()
    server.faults.step_seconds = 0.3
    killer = threading.Thread(target=kill_at_first_node)
    killer.start()
    try:
        with (
            client_for(server) as client,
            pytest.raises(RemoteError, match="lost the same job 4 times") as caught,
        ):
            job(client, log)
    finally:
        stop.set()
        killer.join()
    assert "memory" in caught.value.hint


def test_a_queue_that_somebody_clears_is_joined_again(
    server: FakeComfyUI, log: Log, undisturbed: tuple[str, int, int]
) -> None:
    other = server.add_foreign_job(60)

    def clear() -> None:
        server.clear_from_elsewhere()
        server.end_foreign_job(other)

    once(lambda: len(server.queue_ids()) == 2, clear)
    with client_for(server) as client:
        assert job(client, log) == undisturbed[0]
    assert len(server.prompts) == 2


def test_a_server_that_stays_away_is_given_up_only_at_the_time_limit(log: Log) -> None:
    with FakeComfyUI() as server:
        client = client_for(server)
    log.control.stop_after(1.0)
    with client, pytest.raises(EngineError, match="not finished within"):
        job(client, log)
    assert "waiting for it (Ctrl-C stops)" in log.notices


def test_waiting_for_a_server_can_be_cancelled(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is a day, so only the cancelling can end it."""
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 86400.0)
    with FakeComfyUI() as server:
        client = client_for(server)
    threading.Timer(0.3, log.control.cancel).start()
    with client, pytest.raises(Cancelled):
        job(client, log)
    assert log.notices.count("waiting for it") == 1


def test_cancelling_at_every_step_leaves_nothing_on_the_server(server: FakeComfyUI) -> None:
    server.faults.step_seconds = 0.02
    for step in (1, 2, 3):
        log = Log()

        def cancel(event: Progress, at: int = step, log: Log = log) -> None:
            if isinstance(event, Step) and event.value == at:
                log.control.cancel()

        with client_for(server) as client:
            graph = short_graph(client.upload(SOUND, ".wav", log.control), steps=50, seed=step)
            with pytest.raises(Cancelled):
                client.run(graph, log.control, wanted=["10"], on_progress=cancel)
        assert server.queue_ids() == []


def test_cancelling_while_the_server_is_away_still_ends(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.jobs.AWAY_SECONDS", 0.2)
    alive = ExitStack()
    server = alive.enter_context(FakeComfyUI())
    server.faults.step_seconds = 0.1

    def accident() -> None:
        while not server.engine.last_node:
            time.sleep(0.01)
        alive.close()
        threading.Timer(0.3, log.control.cancel).start()

    thread = threading.Thread(target=accident)
    thread.start()
    with client_for(server) as client, pytest.raises(Cancelled):
        job(client, log, steps=100)
    assert "could not be asked to stop our job" in log.notices
    thread.join()


def test_doors_that_close_in_mid_job_are_an_error_at_once(server: FakeComfyUI, log: Log) -> None:
    with client_for(server) as client:
        client.upload(SOUND, ".wav", log.control)
        server._authorization = "Bearer changed"
        with pytest.raises(EngineUnavailable, match="does not let us in"):
            job(client, log)
