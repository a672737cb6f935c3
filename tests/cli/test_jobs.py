"""`soundreel jobs`: unfinished jobs are listed, taken up by their key, removed."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import frames_of
from soundreel.api import generate, job_key, resume
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import Event, FrameDone, RunControl
from soundreel.types import Request
from soundreel.work.job import Job
from soundreel.work.listing import find_job, list_jobs, remove_job


def stopped_at(frames: int) -> RunControl:
    control = RunControl()

    def watch(event: Event) -> None:
        if isinstance(event, FrameDone) and event.done >= frames:
            control.cancel()

    control.on_event = watch
    return control


@pytest.fixture
def request_(tone: Path, tmp_path: Path) -> Request:
    output = tmp_path / "a.mp4"
    return Request(audio=tone, engine="fake", width=64, height=48, seed=3, output=output)


@pytest.fixture
def key(request_: Request, settings: Settings) -> str:
    """Of a job with two of its five chunks finished."""
    with pytest.raises(Cancelled):
        generate(request_, settings, control=stopped_at(45))
    return job_key(request_, settings)


def jobs(settings: Settings, *words: str) -> int:
    return run(["jobs", *words, "--work-dir", str(settings.work_dir)])


def test_a_job_is_listed_with_what_how_far_and_how_large(
    key: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jobs(settings, "list") == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith(f"{key[:8]}  tone.wav, fake -> a.mp4: 2 of 5 parts, ")
    assert len(line) <= 80
    assert jobs(settings, "list", "--json") == 0
    [listed] = json.loads(capsys.readouterr().out)["jobs"]
    assert (listed["sealed_chunks"], listed["chunks"], listed["running"]) == (2, 5, False)
    assert listed["bytes"] == sum(
        path.stat().st_size for path in (settings.work_dir / key).iterdir()
    )


def test_a_job_is_resumed_from_another_folder_to_the_same_bytes(
    key: str,
    request_: Request,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generate(replace(request_, output=tmp_path / "whole.mp4"), settings)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert jobs(settings, "resume", key[:6]) == 0
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert list_jobs(settings.work_dir) == []


def test_names_given_from_within_a_folder_are_found_from_without(
    tone: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = Request(audio=Path(tone.name), engine="fake", width=64, height=48)
    with pytest.raises(Cancelled):
        generate(request, settings, control=stopped_at(45))
    monkeypatch.chdir("/")
    [job] = list_jobs(settings.work_dir)
    result = resume(job, settings, RunControl())
    assert result.resumed_chunks == 2
    assert len(frames_of(result.path)) == 80


def test_a_job_whose_sound_changed_is_not_taken_up(
    key: str, tone: Path, settings: Settings
) -> None:
    tone.write_bytes(tone.read_bytes()[:-2] + b"\1\1")
    with pytest.raises(InputError, match="has changed"):
        resume(find_job(settings.work_dir, key), settings, RunControl())


def test_a_job_of_an_earlier_version_can_only_be_removed(key: str, settings: Settings) -> None:
    facts = settings.work_dir / key / "job.json"
    noted = json.loads(facts.read_text())
    del noted["asked"]
    facts.write_text(json.dumps(noted))
    with pytest.raises(InputError, match="earlier version"):
        resume(find_job(settings.work_dir, key), settings, RunControl())
    assert jobs(settings, "remove", key) == 0
    assert not (settings.work_dir / key).exists()


@pytest.mark.parametrize(
    "asked", [{}, {"request": 3, "files": {}}, {"request": {"audio": 1}, "files": {}}]
)
def test_a_damaged_note_is_told(key: str, settings: Settings, asked: dict[str, object]) -> None:
    facts = settings.work_dir / key / "job.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "asked": asked}))
    with pytest.raises(InputError, match=r"cannot be read|earlier version"):
        resume(find_job(settings.work_dir, key), settings, RunControl())
    assert jobs(settings, "list") == 0


def test_a_running_job_is_seen_and_not_removed(
    key: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with Job(settings.work_dir, key):
        [job] = list_jobs(settings.work_dir)
        assert job.running
        assert jobs(settings, "remove", "--all") == 0
        with pytest.raises(WorkError, match="another process"):
            remove_job(settings.work_dir, job)
    assert (settings.work_dir / key).exists()
    assert "running now" not in capsys.readouterr().out
    assert jobs(settings, "remove", "--all") == 0
    assert f"removed {key[:8]}" in capsys.readouterr().out
    assert list_jobs(settings.work_dir) == []


def test_listing_leaves_folders_of_others_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = settings.work_dir / ("0" * 20)
    strange.mkdir(parents=True)
    (strange / "job.json").write_text('{"mine": 1}')
    assert jobs(settings, "list") == 0
    assert "no unfinished job" in capsys.readouterr().out
    assert jobs(settings, "remove", "0000") == 2
    assert jobs(settings, "remove") == 2
    assert strange.exists()
    shutil.rmtree(settings.work_dir)
    assert jobs(settings, "list") == 0
    assert os.path.lexists(settings.work_dir) is False
