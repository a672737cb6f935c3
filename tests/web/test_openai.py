"""The official client of the field's video API works against the server as it is."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from openai import NotFoundError, OpenAI

from fakes import frames_of
from web.conftest import TINY, Running

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


@pytest.fixture(scope="module")
def client(running: Running) -> OpenAI:
    return OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)


def more(sound_file: Path, **changes: Any) -> dict[str, Any]:
    sound = base64.b64encode(sound_file.read_bytes()).decode()
    reference = {"audio_url": f"data:audio/wav;base64,{sound}"}
    return {"audio_reference": reference, "check": False, **changes}


def test_create_retrieve_download_list_delete(
    client: OpenAI, sound_file: Path, tmp_path: Path
) -> None:
    made = client.videos.create(
        prompt="calm sea",
        model="preview",
        seconds="0.4",  # type: ignore[arg-type]
        size="64x64",  # type: ignore[arg-type]
        extra_body=more(sound_file),
    )
    assert (made.object, made.seconds, made.size, made.model) == (
        *("video", "0.4375", "64x64", "preview"),
    )
    until = time.monotonic() + 120
    while made.status in ("queued", "in_progress") and time.monotonic() < until:
        time.sleep(0.1)
        made = client.videos.retrieve(made.id)
    assert (made.status, made.progress, made.error) == ("completed", 100, None)
    client.videos.download_content(made.id).write_to_file(tmp_path / "a.mp4")
    assert len(frames_of(tmp_path / "a.mp4")) == 7
    thumbnail = client.videos.download_content(made.id, variant="thumbnail").read()
    assert thumbnail.startswith(b"\xff\xd8\xff")
    assert made.id in [video.id for video in client.videos.list(limit=100)]
    assert client.videos.delete(made.id).deleted
    with pytest.raises(NotFoundError):
        client.videos.retrieve(made.id)


def test_a_picture_file_goes_into_the_form(
    client: OpenAI, sound_file: Path, tmp_path: Path, running: Running
) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), "teal").save(tmp_path / "singer.png")
    made = client.videos.create(
        prompt="her",
        model="preview",
        seconds="0.4",  # type: ignore[arg-type]
        size="64x64",  # type: ignore[arg-type]
        input_reference=tmp_path / "singer.png",
        extra_body=more(sound_file),
    )
    job = running.studio.job(made.id)
    running.studio.remove(made.id)
    upload = running.studio.uploads.get(job.asked["values"]["image"])
    assert (upload.name, upload.about["kind"]) == ("singer.png", "image")
    assert TINY["size"] == made.size
