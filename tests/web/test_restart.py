"""SIGKILL in the middle of work, and the server again: nothing is lost, nothing is made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from media_factory import sweep, write_audio
from ports import held_port, port_of
from web.conftest import TINY

KEY = "a-key-that-nobody-may-see"


class Server:
    """`soundreel serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.held = held_port()
        port = port_of(self.held)
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*_SOUNDREEL, "serve", "--port", str(port), "--work-dir", str(folder / "work")],
            env={**os.environ, "SOUNDREEL_ACCESS_KEY": KEY, "OMP_NUM_THREADS": "1"},
            cwd=folder,
            stdout=self.log,
            stderr=self.log,
        )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {KEY}"},
            timeout=60,
        )

    def wait(self) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            try:
                self.client.get("/health").raise_for_status()
            except httpx.HTTPError:
                assert self.process.poll() is None
                time.sleep(0.1)
            else:
                return
        raise AssertionError("it does not answer")

    def get(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/videos/{key}").json()
        return found

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(30)
        self.client.close()
        self.log.close()
        self.held.close()


_SOUNDREEL = (sys.executable, "-m", "soundreel")


def wait_for(server: Server, key: str, status: str) -> dict[str, Any]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        video = server.get(key)
        if video["status"] == status:
            return video
        assert video["status"] != "failed", video
        time.sleep(0.05)
    raise AssertionError(video)


def test_sigkill_and_restart(tmp_path: Path) -> None:
    sound = write_audio(tmp_path / "long.wav", sweep(25, rate=8000), rate=8000)
    server = Server(tmp_path)
    server.wait()
    upload = server.client.post("/v1/uploads", content=sound.read_bytes()).json()["id"]

    def create(**more: Any) -> str:
        body = {**TINY, "audio_reference": upload, "seed": 1, **more}
        return str(server.client.post("/v1/videos", json=body).json()["id"])

    finished = create()
    wait_for(server, finished, "completed")
    running = create(seconds="25", fps=30)
    queued = [create(seed=seed) for seed in (2, 3)]
    until = time.monotonic() + 120
    while (server.get(running)["now"] or {}).get("chunk", 0) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    server.end(signal.SIGKILL)

    server = Server(tmp_path)
    server.wait()
    assert server.get(finished)["status"] == "completed"
    assert server.client.get(f"/v1/videos/{finished}/content").content[4:8] == b"ftyp"
    done = wait_for(server, running, "completed")
    assert done["result"]["resumed_chunks"] >= 1, "it began where it was"
    assert done["result"]["frames"] == 25 * 30
    for key in queued:
        wait_for(server, key, "completed")
    server.end(signal.SIGTERM)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), f"the key stands in {path.name}"
