"""One real server for all tests of this room: uvicorn on a free port, children, SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from media_factory import sweep, write_audio
from soundreel.config import Settings
from soundreel.web.asked.limits import Limits
from soundreel.web.http.app import create_app
from soundreel.web.http.guard import Access
from soundreel.web.studio.service import Studio

TINY = {"model": "preview", "size": "64x64", "seconds": "0.4", "check": False}
"""The rest of a body that asks for a video of seven small pictures."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server, its studio, and a client of it. sound: an upload of 0.8 s."""

    studio: Studio
    client: httpx.Client
    url: str
    sound: str

    def body(self, **more: Any) -> dict[str, Any]:
        return {**TINY, "audio_reference": self.sound, **more}

    def create(self, **more: Any) -> str:
        answer = self.client.post("/v1/videos", json=self.body(**more))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def ended(self, key: str, seconds: float = 120) -> dict[str, Any]:
        """The video once it is completed or failed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            video: dict[str, Any] = self.client.get(f"/v1/videos/{key}").json()
            if video["status"] in ("completed", "failed"):
                return video
            time.sleep(0.1)
        raise AssertionError(f"not ended: {video}")


@contextmanager
def serving(
    folder: Path, limits: Limits | None = None, access: Access | None = None, **more: Any
) -> Iterator[tuple[Studio, str]]:
    """more: values of Settings."""
    places = {"work_dir": folder / "work", "output_dir": folder / "out"}
    settings = Settings(**{**places, "url": "http://127.0.0.1:9", **more})
    studio = Studio(settings, limits)
    app = create_app(studio, access or Access())
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield studio, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def waiting_studio(folder: Path, limits: Limits | None = None) -> Iterator[Studio]:
    """A studio that takes jobs and starts none."""
    settings = Settings(
        work_dir=folder / "work", output_dir=folder / "out", url="http://127.0.0.1:9"
    )
    studio = Studio(settings, limits)
    try:
        yield studio
    finally:
        studio.stop()


@pytest.fixture(scope="session")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    return write_audio(folder / "sweep.wav", sweep(0.8, rate=16000), rate=16000)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, sound_file: Path) -> Iterator[Running]:
    with (
        serving(tmp_path_factory.mktemp("server")) as (studio, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "sweep.wav").id
        yield Running(studio, client, url, sound)
