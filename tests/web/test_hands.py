"""Served jobs share the hands: real servers, real children, each engine end to end.

Slow, since nothing less would show what the server gives a job and what becomes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from comfyui.engine_tools import SIZE, pitches, write_melody
from comfyui.fake.server import FakeComfyUI
from media_factory import sweep, write_audio
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.farm.shares import Want
from soundreel.web.asked.asked import Asked, make_request
from soundreel.web.jobs import runner
from soundreel.web.jobs.runner import want_of
from soundreel.web.jobs.store import StoredJob
from web.conftest import Running, serving

GONE = "http://127.0.0.1:9"


@contextmanager
def studio_with(folder: Path, sound: Path, **settings: Any) -> Iterator[Running]:
    with (
        serving(folder / "server", **settings) as (studio, url),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        key = studio.uploads.keep_bytes(sound.read_bytes(), sound.name).id
        yield Running(studio, client, url, key)


def test_comfyui_servers_share_a_job_and_one_that_is_gone_costs_none(tmp_path: Path) -> None:
    melody = write_melody(tmp_path / "melody.wav", pitches(16))
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeComfyUI()) for _ in range(2)]
        named = ",".join([GONE, *(fake.url.replace("//", "//me:hush-hush@") for fake in fakes)])
        running = stack.enter_context(studio_with(tmp_path, melody, url=named))
        body = {"model": "comfyui", "size": f"{SIZE}x{SIZE}", "shots": None, "seconds": "0.25"}
        one = running.ended(running.create(**body))
        assert one["status"] == "completed", one["error"]
        assert any("another server is asked" in notice for notice in one["notices"])
        assert sum(len(fake.prompts) for fake in fakes) == 1
        shots = [{"start": start / 4} for start in range(4)]
        shared = running.ended(running.create(**{**body, "seconds": "1", "shots": shots}))
        assert shared["status"] == "completed", shared["error"]
        assert all(len(fake.prompts) >= 1 for fake in fakes)
        assert sum(len(fake.prompts) for fake in fakes) == 5
        said = running.client.get("/v1/videos").text
        assert "127.0.0.1" not in said, "where the servers are is nobody's business"
        assert "hush" not in said


def test_a_preview_that_processes_share_has_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(job: StoredJob, refused: frozenset[str] = frozenset()) -> Want:
        """As if there were work for two."""
        return Want("preview", 2, refused)

    monkeypatch.setattr(runner, "want_of", two)
    sound = write_audio(tmp_path / "long.wav", sweep(21, rate=8000), rate=8000)
    with studio_with(tmp_path, sound, workers=2) as running:
        key = running.create(seconds="21", fps=8, seed=3)
        video = running.ended(key)
        assert video["status"] == "completed", video["error"]
        assert "2 processes make the pictures" in video["notices"]
        job, upload = running.studio.job(key), running.studio.uploads.get(running.sound).path
        request = make_request(Asked.of(job.asked), lambda _: upload)
        here = replace(request, output=tmp_path / "here.mp4", thumbnail=True)
        made = generate(here, Settings(work_dir=tmp_path / "work", workers=1))
        assert digest(made.path) == digest(running.studio.file(key))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored(**changes: Any) -> StoredJob:
    chunks = [{"shot": 0}, {"shot": 0}, {"shot": 1}]
    plan = {"chunks": chunks, "shots": [{}, {}], "hands": 3, "parts_alone": True}
    values: dict[str, Any] = {
        "number": 1, "id": "video_1", "status": "queued", "created": 0.0, "started": None,
        "finished": None, "progress": 0, "engine": "preview", "asked": {"values": {}}, "plan": plan,
    }  # fmt: skip
    return StoredJob(**{**values, **changes})


@pytest.mark.parametrize(
    ("again", "most"),
    [
        (None, 3),
        ({"from": "video_0"}, 3),
        ({"from": "video_0", "shot": 1, "chunk": None, "changes": {}}, 2),
        ({"from": "video_0", "shot": None, "chunk": 2, "changes": {}}, 1),
    ],
)
def test_a_job_wants_as_many_hands_as_it_has_parts_to_make(
    again: dict[str, Any] | None, most: int
) -> None:
    assert want_of(stored(again=again)) == Want("preview", most)


def test_a_job_of_an_earlier_version_wants_a_hand_a_shot() -> None:
    plan = {"chunks": [{"shot": 0}, {"shot": 1}, {"shot": 1}], "shots": [{}, {}]}
    assert want_of(stored(engine="comfyui", plan=plan)) == Want("comfyui", 2)
    film = {"values": {"interpolate": "film"}}
    assert want_of(stored(asked=film)).kind == "preview, film"
