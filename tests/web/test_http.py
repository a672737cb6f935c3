"""The API's own manners: forms, ranges, events, descriptions, metrics."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from media_factory import sweep, write_audio
from web.conftest import TINY, Running


@pytest.fixture(scope="module")
def finished(running: Running) -> str:
    """A finished video that was judged."""
    key = running.create(check=True, name="mine", prompt="sea")
    assert running.ended(key)["status"] == "completed"
    return key


def test_the_video_object_says_all_that_a_page_shows(running: Running, finished: str) -> None:
    video = running.client.get(f"/v1/videos/{finished}").json()
    assert (video["name"], video["prompt"], video["progress"]) == ("mine", "sea", 100)
    assert video["check"]["verdict"] in ("ok", "note")
    assert video["result"]["frames"] == video["plan"]["output_frames"] == 7
    assert video["seed"] >= 0
    assert video["created_at"] <= video["started_at"] <= video["completed_at"]
    again = running.client.post("/v1/plan", json=video["request"])
    assert again.json()["output_frames"] == 7, "its request asks for the same"


def test_the_file_comes_in_ranges(running: Running, finished: str) -> None:
    address = f"/v1/videos/{finished}/content"
    whole = running.client.get(address)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    part = running.client.get(address, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert part.headers["content-range"] == f"bytes 4-7/{len(whole.content)}"
    assert running.client.get(address, headers={"range": "bytes=999999999-"}).status_code == 416
    saved = running.client.get(address, params={"download": True})
    assert saved.headers["content-disposition"].startswith("attachment")


def test_what_belongs_to_a_video(running: Running, finished: str) -> None:
    def get(variant: str) -> Any:
        return running.client.get(f"/v1/videos/{finished}/content", params={"variant": variant})

    assert get("thumbnail").content.startswith(b"\xff\xd8\xff")
    assert get("report").content.startswith(b"\x89PNG")
    record = get("record")
    assert record.json()["request"]["prompt"] == "sea"
    assert str(running.studio.folder) not in record.text
    assert "files" not in record.json()
    assert get("poster").status_code == 400


def test_events_end_with_the_end_of_the_video(running: Running) -> None:
    key = running.create()
    with running.client.stream("GET", f"/v1/videos/{key}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    states = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert states[-1]["status"] == "completed"
    told = [state["progress"] for state in states]
    assert told == sorted(told)
    assert {state["id"] for state in states} == {key}
    assert any(state["now"] for state in states), "what goes on is told"


def test_all_pages_hear_of_all_videos(running: Running) -> None:
    with running.client.stream("GET", "/v1/events") as answer:
        key = running.create()
        running.client.delete(f"/v1/videos/{key}")
        heard = list[tuple[str, str]]()
        until = time.monotonic() + 30
        event = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            event = value if name == "event" else event
            if name == "data":
                heard.append((event, json.loads(value)["id"]))
            if ("removed", key) in heard or time.monotonic() > until:
                break
    assert ("removed", key) in heard


def test_events_of_a_video_that_is_not_there(running: Running) -> None:
    assert running.client.get("/v1/videos/none/events").status_code == 404


def test_lists_go_on_where_they_ended(running: Running, finished: str) -> None:
    def ids(**params: Any) -> tuple[list[str], bool]:
        page = running.client.get("/v1/videos", params=params).json()
        assert (page["object"], page["last_id"]) == ("list", [v["id"] for v in page["data"]][-1])
        return [video["id"] for video in page["data"]], page["has_more"]

    running.ended(running.create())
    newest, more = ids(limit=1)
    assert more
    following, _ = ids(limit=1, after=newest[0])
    assert newest != following
    everything, _ = ids(limit=100)
    assert everything[:2] == [*newest, *following]
    assert ids(limit=100, order="asc")[0] == everything[::-1]
    assert running.client.get("/v1/videos", params={"after": "gone"}).status_code == 404


def test_a_form_says_what_json_says(running: Running, sound_file: Any) -> None:
    form = {
        "model": "preview", "size": "64x64", "seconds": "0.4", "check": "false",
        "thumbnail": "true", "options": '{"strength": 0.5}',
        "shots": '[{"start": 0}, {"start": 0.2, "prompt": "sea"}]',
    }  # fmt: skip
    files = {"audio_reference": ("../my song.wav", sound_file.read_bytes(), "audio/wav")}
    answer = running.client.post("/v1/plan", data=form, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.json()["num_shots"] == 2


def test_uploads_are_given_back_in_ranges(running: Running, sound_file: Any) -> None:
    content = sound_file.read_bytes()
    made = running.client.post("/v1/uploads", params={"name": "a/b.wav"}, content=content).json()
    assert (made["name"], made["kind"], made["bytes"]) == ("b.wav", "sound", len(content))
    assert made["id"] == running.sound, "the same content is the same upload"
    assert running.client.get(f"/v1/uploads/{made['id']}").json() == made
    part = running.client.get(made["url"], headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")
    form = running.client.post("/v1/uploads", files={"file": ("x.wav", content)}).json()
    assert form["id"] == made["id"]


def test_bad_input_is_told_as_the_field_does(running: Running) -> None:
    answer = running.client.post("/v1/videos", json=running.body(size="huge"))
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"], error["code"]) == (
        *("invalid_request_error", "size", "invalid_input"),
    )
    assert error["rule"]
    for body, kind, status in [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
    ]:
        headers = {"content-type": kind}
        assert (
            running.client.post("/v1/videos", content=body, headers=headers).status_code == status
        )
    assert running.client.get("/v1/videos", params={"limit": 0}).json()["error"]["param"] == "limit"
    assert running.client.put("/v1/videos").json()["error"]["code"] == "method_not_allowed"


def test_the_description_and_its_page_load_nothing(running: Running) -> None:
    described = running.client.get("/openapi.json").json()
    properties = described["components"]["schemas"]["VideoRequest"]["properties"]
    assert {"model", "prompt", "seconds", "size", "input_reference", "crf", "shots"} <= set(
        properties
    )
    assert properties["crf"]["maximum"] == 51
    page = running.client.get("/docs").text
    assert "/v1/videos" in page
    assert not re.search(r"<script|<link|src=|https?://", page)


def test_options_are_those_of_the_table(running: Running) -> None:
    said = running.client.get("/v1/options").json()
    fields = {each["name"]: each for each in said["sound"]["fields"]}
    assert fields["fit_output"]["words"] == ["crop", "pad", "blur"]
    assert fields["image"]["takes_upload"]
    assert "last_frame" in {each["name"] for each in said["image"]["fields"]}
    assert said["sound"]["engine"]["steps"]["engines"][:2] == ["wan", "comfyui"]
    models = [model["id"] for model in running.client.get("/v1/models").json()["data"]]
    assert models[:4] == ["auto", "wan", "comfyui", "preview"]


def test_health_and_metrics(running: Running, finished: str) -> None:
    assert running.client.get("/health").json()["status"] == "ok"
    metrics = running.client.get("/metrics").text
    found = re.search(r'soundreel_jobs\{status="completed"\} (\d+)', metrics)
    assert found
    assert int(float(found[1])) >= 1
    assert 'soundreel_requests_total{method="GET",status="200"}' in metrics
    assert TINY["model"] == "preview"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mp3", "audio/mpeg"), ("a.html", "application/octet-stream"),
     ("a.svg", "application/octet-stream"), ("a", "application/octet-stream")],
)  # fmt: skip
def test_a_browser_takes_an_upload_for_sound_or_picture_alone(
    running: Running, name: str, kind: str, tmp_path: Path
) -> None:
    sound = write_audio(tmp_path / "a.wav", sweep(0.2 + len(name) / 100, rate=16000), rate=16000)
    made = running.client.post("/v1/uploads", params={"name": name}, content=sound.read_bytes())
    answer = running.client.get(made.json()["url"])
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
