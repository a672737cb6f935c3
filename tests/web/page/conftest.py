"""A real Chromium before a real server, both once for all tests of the page."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from media_factory import sweep, write_audio
from ports import held_port, port_of
from soundreel.web.studio.service import Studio
from web.conftest import serving

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
REQUIRED = os.environ.get("SOUNDREEL_REQUIRE_BROWSER") == "1"
RATE = 16000
PATIENCE_MS = 60_000
_MEDIA = (
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a microphone that beeps
)
expect.set_options(timeout=PATIENCE_MS)


class Server:
    """`soundreel serve`, as a person starts it. It can be killed, and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = held_port()  # between two starts too
        self.port = port_of(self._held)
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "soundreel", "serve", "--port", str(self.port)]
        command += ["--work-dir", str(self._folder / "work"), "--url", "http://127.0.0.1:9"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self._folder)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert self._process.poll() is None
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("page"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        (pytest.fail if REQUIRED else pytest.skip)(
            "there is no Chromium here: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", *_MEDIA],
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser, with nothing kept from before. Whatever a test does, the page asks
    nobody but its server, and no script of it fails."""
    foreign, wrong = list[str](), list[str]()

    def refuse(route: Route) -> None:
        foreign.append(route.request.url)
        route.abort()

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    context.route(lambda url: urlsplit(url).hostname not in ("127.0.0.1", None), refuse)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield context
    context.close()
    assert not foreign
    assert not wrong


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    return opened(context, server.url)


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#connection")).to_have_text("connected")
    return page


@pytest.fixture(scope="package")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds."""
    folder = tmp_path_factory.mktemp("song")
    return write_audio(folder / "song.wav", sweep(4, rate=RATE), rate=RATE)


@pytest.fixture(scope="package")
def long_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds: its video has two parts at least, each made in a second or more."""
    folder = tmp_path_factory.mktemp("song")
    return write_audio(folder / "long.wav", sweep(20, rate=RATE), rate=RATE)


def give(page: Page, sound: Path, size: str = "64x64") -> None:
    """Fill in what is needed for a small video by the preview engine, and wait for its plan."""
    page.set_input_files("#sound-file", sound)
    expect(page.locator("#sound-desk")).to_be_visible()
    page.select_option("#engine", "preview")
    page.get_by_text("Custom", exact=True).click()
    page.fill("#size", size)
    expect(page.locator("#plan")).to_contain_text(size.replace("x", "×"))


PLAN = {
    "engine": "wan",
    "seconds": 5,
    "fps": "16",
    "frames": 80,
    "output_fps": "16",
    "output_frames": 80,
    "estimate": {"seconds": None, "memory_bytes": None, "source": ""},
    "size": "64x64",
    "chunks": [],
    "shots": [],
}


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, str]]:
    """A server whose jobs the test moves on by hand."""
    with serving(tmp_path_factory.mktemp("desk")) as running:
        yield running


def begun(studio: Studio, name: str) -> str:
    asked: dict[str, Any] = {"engine": "wan", "kind": "sound", "values": {}, "options": {}}
    job = studio.store.add(f"video_of_{name}", "wan", {**asked, "name": name}, PLAN)
    studio.store.start(job.id)
    studio.live.tell(job.id, {"what": "part 2 of 3", "detail": "step 4 of 20"})
    return job.id
