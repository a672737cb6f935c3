"""Answers that may pass are waited for, with a word, and not for ever."""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from comfyui.client.test_faults import job, run_with
from comfyui.conftest import Log, client_for
from comfyui.fake.server import FakeComfyUI
from soundreel.errors import EngineUnavailable, RemoteError

PASSING = (521, 429, 500, 408, 524, 502, 503, 520, 530, 404, 418, 425)


@pytest.fixture(scope="module")
def right() -> str:
    return run_with(lambda _: None, Log())[0]


@pytest.mark.parametrize("status", PASSING)
def test_one_bad_answer_after_another_between_the_good_ones(
    status: int, right: str, log: Log
) -> None:
    """Every second request is answered with it, from the first on: the job takes no notice."""

    def turn(server: FakeComfyUI) -> None:
        server.faults.turns = (status,)

    digest, server = run_with(turn, log)
    assert digest == right
    assert len(server.prompts) == 1
    assert f"answers {status}" in log.notices or f": {status} at" in log.notices
    assert "waiting for it (Ctrl-C stops)" in log.notices


def test_a_proxy_that_answers_them_all_in_turn(right: str, log: Log) -> None:
    def turn(server: FakeComfyUI) -> None:
        server.faults.turns = PASSING

    assert run_with(turn, log)[0] == right


def test_preflight_is_not_put_off_by_one_bad_answer() -> None:
    with FakeComfyUI() as server, client_for(server) as client:
        server.faults.turns = (521, 429)
        assert client.system_stats().version == "0.3.64"
        assert "VAEDecode" in client.object_info()


@pytest.mark.parametrize("status", [500, 404])
def test_an_answer_that_stays_bad_ends_the_job(
    status: int, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.wire.faults.OTHER_SECONDS", 0.5)

    async def answer(self: FakeComfyUI, request: web.Request) -> web.Response:
        return web.Response(status=status, text="no")

    monkeypatch.setattr(FakeComfyUI, "_get_queue", answer)
    with FakeComfyUI() as server, client_for(server) as client:
        server.faults.step_seconds = 0.5
        started = time.monotonic()
        with pytest.raises(RemoteError, match=rf"{status}.*for \d s now") as got:
            job(client, log)
    assert time.monotonic() - started < 20
    assert "same command again" in got.value.hint


def test_how_long_to_wait_is_heeded(right: str, log: Log) -> None:
    refused: list[float] = []

    door = FakeComfyUI._front_door

    async def front_door(self: FakeComfyUI, request: web.Request, handler: object) -> object:
        if request.path == "/prompt" and len(refused) < 2:
            refused.append(time.monotonic())
            return web.Response(status=429, headers={"Retry-After": "1"})
        return await door(self, request, handler)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeComfyUI, "_front_door", web.middleware(front_door))
        digest, _ = run_with(lambda _: None, log)
    assert digest == right
    assert refused[1] - refused[0] > 0.9


@pytest.mark.parametrize("status", [401, 403])
def test_a_closed_door_is_said_at_once(status: int, log: Log) -> None:
    with FakeComfyUI() as server, client_for(server) as client:
        server.faults.turns = (status,)
        with pytest.raises(EngineUnavailable, match="does not let us in"):
            job(client, log)


def test_a_server_with_a_full_disk_says_so(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundreel.engines.comfyui.client.wire.faults.OTHER_SECONDS", 0.3)
    with FakeComfyUI() as server, client_for(server) as client:
        server.files.capacity = 100
        with pytest.raises(RemoteError, match="did not take the upload") as upload:
            job(client, log)
        server.files.capacity = 33_000  # the sound fits, not all of the pictures
        with pytest.raises(RemoteError, match="No space left on device") as run:
            job(client, log)
    assert "disk not full?" in upload.value.hint
    assert "disk is full" in run.value.hint
    assert "same command again" in run.value.hint
