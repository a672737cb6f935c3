"""A client that is killed leaves a prompt on the server; the next one takes it off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from comfyui.client.test_faults import job
from comfyui.conftest import Log, client_for, once
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.claims import Claim

KILLED = """
import sys
from pathlib import Path
from comfyui.conftest import short_graph, sweep, wav_bytes
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.events import RunControl

url, folder = sys.argv[1:]
with ComfyClient(parse_server(url), poll_seconds=0.1, claims=Path(folder)) as client:
    name = client.upload(wav_bytes(sweep(1)), ".wav", RunControl())
    client.run(short_graph(name, steps=10_000), RunControl(), wanted=["10"])
"""
TESTS = Path(__file__).parents[2]


@pytest.fixture
def slow(server: FakeComfyUI) -> FakeComfyUI:
    server.faults.step_seconds = 0.02
    return server


def start_and_kill(server: FakeComfyUI, folder: Path) -> None:
    path = os.pathsep.join((str(TESTS), *sys.path))
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, server.url, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
    )
    end = time.monotonic() + 60
    while server.engine.last_node != "8" and time.monotonic() < end:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(server.queue_ids()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_what_a_killed_client_left_is_taken_off_and_nothing_else(
    slow: FakeComfyUI, log: Log, tmp_path: Path
) -> None:
    start_and_kill(slow, tmp_path)
    (orphan,) = slow.queue_ids()
    with client_for(slow, claims=tmp_path) as alive:
        assert alive._claim.orphans({alive.client_id}) == set(), "who lives is no orphan"
        with client_for(slow, claims=tmp_path) as client:
            job(client, log)
    assert "what a killed run left there is taken off" in log.notices
    messages = slow.engine.history[orphan]["status"]["messages"]
    assert messages[-1][0] == "execution_interrupted"
    assert not list(tmp_path.glob("*.lock")), "and its mark too"


def test_a_prompt_from_elsewhere_is_waited_for(slow: FakeComfyUI, log: Log, tmp_path: Path) -> None:
    other = slow.add_foreign_job(60)
    once(lambda: "before ours" in log.notices, lambda: slow.end_foreign_job(other))
    with client_for(slow, claims=tmp_path) as client:
        job(client, log)
    assert slow.engine.history[other]["status"]["completed"]
    assert "before ours" in log.notices


def test_a_folder_that_cannot_be_written_costs_only_the_mark(slow: FakeComfyUI, log: Log) -> None:
    with client_for(slow, claims=Path("/dev/null/x")) as client:
        job(client, log)


def test_marks_of_clients_that_died_long_ago_go(tmp_path: Path) -> None:
    old, fresh = (tmp_path / f"{letter * 32}.lock" for letter in "ab")
    for path in (old, fresh):
        path.touch()
    os.utime(old, (0, 0))
    claim = Claim(tmp_path, "c" * 32)
    claim.hold()
    claim.release(settled=True)
    assert list(tmp_path.iterdir()) == [fresh]
