"""The rules of the studio, each once, against the one object that page and API are faces of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from soundreel.config import Settings
from soundreel.errors import WorkError
from soundreel.web.asked.limits import Limits
from soundreel.web.studio.refusals import Refused
from soundreel.web.studio.service import Studio
from web.conftest import TINY, Running, waiting_studio


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory, sound_file: Path) -> Iterator[Studio]:
    """A studio that takes jobs and starts none."""
    with waiting_studio(tmp_path_factory.mktemp("waiting")) as studio:
        yield studio


@pytest.fixture(scope="module")
def sound(waiting: Studio, sound_file: Path) -> str:
    return waiting.uploads.keep_bytes(sound_file.read_bytes(), "sweep.wav").id


def refused(studio: Studio, body: dict[str, Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        studio.submit(body)
    return caught.value


def test_jobs_are_made_in_the_order_of_coming(running: Running) -> None:
    keys = [running.create(seed=seed) for seed in range(3)]
    ended = [running.ended(key) for key in keys]
    assert [video["status"] for video in ended] == ["completed"] * 3
    started = [running.studio.job(key).started for key in keys]
    assert started == sorted(started, key=lambda when: when or 0)


def test_places_in_the_queue_count_from_its_head(waiting: Studio, sound: str) -> None:
    jobs = [waiting.submit({**TINY, "audio_reference": sound}) for _ in range(3)]
    first = waiting.store.place(jobs[0])
    assert [waiting.store.place(job) - first for job in jobs] == [0, 1, 2]
    waiting.cancel(jobs[1].id)
    assert waiting.store.place(jobs[2]) - first == 1


def test_a_queued_job_is_cancelled_at_once(waiting: Studio, sound: str) -> None:
    job = waiting.cancel(waiting.submit({**TINY, "audio_reference": sound}).id)
    assert (job.status, (job.error or {})["code"]) == ("failed", "cancelled")
    assert waiting.cancel(job.id) == job, "one that has ended stays as it is"


def long_job(running: Running, **more: Any) -> str:
    """One that is being made, of many pictures."""
    key = running.create(seconds="0.75", fps="60", size="512x512", **more)
    until = time.monotonic() + 60
    while running.studio.job(key).status == "queued" or running.studio.live.now(key) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return key


def test_a_running_job_is_cancelled_and_leaves_nothing(running: Running) -> None:
    key = long_job(running)
    running.studio.cancel(key)
    ended = running.ended(key)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "cancelled")
    work = running.studio.folder.with_name("work")
    until = time.monotonic() + 10
    while [path for path in work.glob("*") if path.is_dir()] and time.monotonic() < until:
        time.sleep(0.05)
    assert not [path for path in work.glob("*") if path.is_dir()]


def test_a_running_job_is_removed_with_its_files(running: Running) -> None:
    key = long_job(running)
    running.studio.remove(key)
    following = running.create()
    assert running.ended(following)["status"] == "completed"
    assert not (running.studio.folder / "videos" / key).exists()


def test_a_process_that_dies_costs_one_job(running: Running) -> None:
    key = long_job(running)
    os.kill(running.studio._runner._children[key]._process.pid, 9)
    ended = running.ended(key)
    assert ended["error"]["code"] == "crashed"
    assert "signal 9" in ended["error"]["message"]
    assert running.ended(running.create())["status"] == "completed"


def test_the_same_key_gives_the_same_job(waiting: Studio, sound: str) -> None:
    body = {**TINY, "audio_reference": sound, "seed": 4}

    def submit(_: int) -> str:
        return waiting.submit(body, idempotency="once").id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(submit, range(4)))) == 1
    with pytest.raises(Refused) as caught:
        waiting.submit({**body, "seed": 5}, idempotency="once")
    assert (caught.value.status, caught.value.document["code"]) == (409, "idempotency_key_reused")


def test_a_remix_is_the_same_with_other_words(waiting: Studio, sound: str) -> None:
    job = waiting.submit({**TINY, "audio_reference": sound, "prompt": "sea", "crf": 30})
    again = waiting.remix(job.id, {"prompt": "storm"})
    assert again.asked["values"] == {**job.asked["values"], "prompt": "storm"}
    assert waiting.video(again)["remixed_from_video_id"] == job.id


def test_one_shot_is_made_again_and_the_other_keeps_its_bytes(
    running: Running, tmp_path: Path
) -> None:
    from fakes import frames_of

    shots = [{"start": 0, "seed": 1}, {"start": 0.4, "seed": 2}]
    key = running.create(seconds="0.8", shots=shots)
    assert running.ended(key)["status"] == "completed"
    again = running.studio.remix(key, {"shot": 2, "prompt": "storm at night"})
    assert running.ended(again.id)["status"] == "completed"
    old, new = (frames_of(running.studio.file(each)) for each in (key, again.id))
    assert len(old) == len(new)
    assert all((a == b).all() for a, b in zip(old[:6], new[:6], strict=True))
    assert any((a != b).any() for a, b in zip(old[7:], new[7:], strict=True))


def test_only_a_finished_video_has_parts(waiting: Studio, sound: str) -> None:
    job = waiting.submit({**TINY, "audio_reference": sound})
    with pytest.raises(Refused) as caught:
        waiting.remix(job.id, {"shot": 1})
    assert caught.value.status == 409


def test_a_plan_says_parts_time_memory_and_notices(waiting: Studio, sound: str) -> None:
    plan = waiting.plan({**TINY, "audio_reference": sound, "gate": "-40dB"})
    assert (plan["output_frames"], plan["num_chunks"], plan["size"]) == (7, 1, "64x64")
    assert plan["estimate"]["seconds"] > 0
    assert plan["estimate"]["memory_bytes"] > 0


@pytest.mark.parametrize(
    ("body", "param", "rule"),
    [
        ({"size": "64x1"}, "size", "even number"),
        ({"seconds": "-1"}, "seconds", "not a time"),
        ({"seconds": "0.1", "start": 9}, None, ""),
        ({"fps": 100}, "fps", "8 to 60"),
        ({"crf": 99}, "crf", "0 (lossless) to 51"),
        ({"model": "sora-2"}, "model", "one of auto"),
        ({"model": "preview", "steps": 4}, "options.steps", "does not use it"),
        ({"strength": 9}, "options.strength", "2"),
        ({"hight": 64}, "hight", "unknown field"),
        ({"webhook_url": "https://example.com"}, "webhook_url", "allowed"),
        ({"kind": "film"}, None, "sound or image"),
    ],
)
def test_bad_input_names_field_and_rule(
    waiting: Studio, sound: str, body: dict[str, Any], param: str | None, rule: str
) -> None:
    err = refused(waiting, {**TINY, "audio_reference": sound, **body})
    assert err.status == 400
    assert err.document.get("param") == param or param is None
    assert rule in str(err.document)


def test_a_queue_that_is_full_says_so(tmp_path: Path, sound_file: Path) -> None:
    with waiting_studio(tmp_path, Limits(queue=1, seconds=0.5)) as studio:
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        long = refused(studio, {**TINY, "audio_reference": sound, "seconds": "0.8"})
        assert "at most 0.5" in str(long)
        studio.submit({**TINY, "audio_reference": sound})
        err = refused(studio, {**TINY, "audio_reference": sound})
        assert (err.status, err.document["code"]) == (429, "queue_full")
        with pytest.raises(WorkError, match="another server"):
            Studio(Settings(work_dir=tmp_path / "work"))


def test_a_disk_that_is_full_says_so(tmp_path: Path, sound_file: Path) -> None:
    with waiting_studio(tmp_path, Limits(disk_bytes=1024)) as studio:
        with studio.uploads.receiving("a.wav") as receiver:
            receiver.write(sound_file.read_bytes())
            with pytest.raises(Refused) as caught:
                studio.keep(receiver)
        assert caught.value.status == 507


def test_files_are_kept_by_content_and_looked_at(waiting: Studio, sound_file: Path) -> None:
    first = waiting.uploads.keep_bytes(sound_file.read_bytes(), "../../etc/one.wav")
    second = waiting.uploads.keep_bytes(sound_file.read_bytes(), "two.wav")
    assert first.path == second.path
    assert first.path.parent == waiting.folder / "uploads"
    assert (first.about["kind"], first.about["seconds"]) == ("sound", 0.8)
    before = sorted(first.path.parent.iterdir())
    with waiting.uploads.receiving("x.wav") as receiver:
        receiver.write(b"this is neither" * 100)
        with pytest.raises(Refused, match="neither a sound nor a picture") as caught:
            waiting.keep(receiver)
    assert caught.value.status == 400
    assert sorted(first.path.parent.iterdir()) == before, "nothing of it stays"


def test_a_background_is_a_colour_or_an_upload(waiting: Studio, sound: str, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a.png")
    picture = waiting.uploads.keep_bytes((tmp_path / "a.png").read_bytes(), "a.png").id
    for background in ("#102030", picture):
        body = {**TINY, "audio_reference": sound, "look": "bars", "background": background}
        assert waiting.plan(body)["output_frames"] == 7


def test_a_file_that_takes_too_long_to_read_is_refused(tmp_path: Path, sound_file: Path) -> None:
    with waiting_studio(tmp_path, Limits(reading_seconds=1e-9)) as studio:
        with studio.uploads.receiving("a.wav") as receiver:
            receiver.write(sound_file.read_bytes())
            with pytest.raises(Refused) as caught:
                studio.keep(receiver)
        assert caught.value.document["code"] == "timeout"


def test_uploads_that_no_job_needs_go_after_some_days(tmp_path: Path, sound_file: Path) -> None:
    with waiting_studio(tmp_path) as studio:
        kept = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav")
        text = studio.uploads.keep_bytes(b"WEBVTT\n", "a.vtt")
        for each in (kept, text):
            os.utime(each.path, (0, 0))
        assert studio.uploads.sweep(7, {kept.id}) == 1
        assert [each.id for each in studio.uploads.all()] == [kept.id]
        assert studio.uploads.sweep(7, set()) == 1
        assert not list((studio.folder / "uploads").iterdir())


def test_an_upload_is_removed_unless_it_is_needed(tmp_path: Path, sound_file: Path) -> None:
    with waiting_studio(tmp_path) as studio:
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        job = studio.submit({**TINY, "audio_reference": sound})
        with pytest.raises(Refused, match="not done"):
            studio.remove_upload(sound)
        studio.cancel(job.id)
        studio.remove_upload(sound)
        with pytest.raises(Refused, match="no such upload"):
            studio.upload(sound)


def test_every_option_of_the_table_can_be_asked_for(waiting: Studio, sound: str) -> None:
    """The HTTP names are made from the table: none is forgotten, none invented."""
    from soundreel.options.table import REQUEST_OPTIONS
    from soundreel.web.asked.fields import LOCAL_FIELDS, last, rows_of
    from soundreel.web.asked.schema import options, request_schema

    known = rows_of("sound")
    for row in REQUEST_OPTIONS:
        if LOCAL_FIELDS.isdisjoint(row.fields) and len(row.fields) == 1:
            assert known[last(row.fields[0])] is row or row.fields[0] in ("width", "height")
    assert {each["name"] for each in options()["sound"]["fields"]} <= set(known)
    assert set(known) <= set(request_schema()["properties"])
