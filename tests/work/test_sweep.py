"""Old jobs go after a month; nothing else does, whatever it looks like or the clock says."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from soundreel.work.job import Job
from soundreel.work.sweep import KEEP_DAYS, remove_old_jobs

DAY = 86400.0
OLD, HELD, NEW = "01" * 10, "02" * 10, "03" * 10


def make_job(work_dir: Path, key: str, *, days_old: float = 0) -> Path:
    with Job(work_dir, key) as job:
        job.fixed("seed", lambda: 1)
        job.piece(0).write_bytes(b"picture")
    return age(job.folder, days_old)


def age(folder: Path, days: float) -> Path:
    then = time.time() - days * DAY
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (then, then), follow_symlinks=False)
    os.utime(folder, (then, then))
    return folder


def names(work_dir: Path) -> list[str]:
    return sorted(path.name for path in work_dir.iterdir() if not path.name.startswith("."))


def test_old_jobs_are_removed_unless_held(tmp_path: Path) -> None:
    for key in (OLD, HELD):
        make_job(tmp_path, key, days_old=KEEP_DAYS + 1)
    make_job(tmp_path, NEW)
    with Job(tmp_path, HELD):
        age(tmp_path / HELD, KEEP_DAYS + 1)
        assert remove_old_jobs(tmp_path) == [OLD]
    assert names(tmp_path) == [HELD, NEW]


def test_the_newest_file_of_the_tree_counts(tmp_path: Path) -> None:
    folder = make_job(tmp_path, OLD)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "notes").write_text("of today")
    age(folder, KEEP_DAYS + 1)
    os.utime(folder / "deep" / "er" / "notes")
    assert remove_old_jobs(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("render-farm", {"soundreel job": 1}),
        (OLD, {"seed": 1, "engine": "x"}),
        (OLD, ["soundreel job"]),
        (OLD, "soundreel job"),
    ],
)
def test_folders_of_others_are_never_touched(tmp_path: Path, name: str, facts: object) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(facts))
    (folder / "thesis.tex").write_text("years of work")
    age(folder, 400)
    assert remove_old_jobs(tmp_path) == []
    assert (folder / "thesis.tex").exists()


def test_of_an_old_job_only_our_own_files_go(tmp_path: Path) -> None:
    folder = make_job(tmp_path, OLD)
    (folder / "notes.txt").write_text("put here by hand")
    age(folder, KEEP_DAYS + 1)
    remove_old_jobs(tmp_path)
    assert names(folder) == ["notes.txt"]


def test_a_link_to_a_job_is_no_job(tmp_path: Path) -> None:
    elsewhere = make_job(tmp_path / "elsewhere", OLD, days_old=100)
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / OLD).symlink_to(elsewhere)
    assert remove_old_jobs(work_dir) == []
    assert (elsewhere / "job.json").exists()


def test_a_clock_that_jumped_deletes_nothing(tmp_path: Path) -> None:
    make_job(tmp_path, OLD)
    now, years = time.time(), 3 * 365 * DAY
    assert remove_old_jobs(tmp_path, now + years) == []
    for hours in (1, 30, 24 * 20):  # it stays wrong for three weeks, with runs in between
        assert remove_old_jobs(tmp_path, now + years + hours * 3600) == []
    assert remove_old_jobs(tmp_path, now + 21 * DAY) == []  # set right again
    assert remove_old_jobs(tmp_path, 0.0) == []  # a battery that ran out
    assert names(tmp_path) == [OLD]


def test_a_jump_is_seen_by_the_diary_of_earlier_runs(tmp_path: Path) -> None:
    now = time.time()
    make_job(tmp_path, OLD, days_old=KEEP_DAYS - 1)
    remove_old_jobs(tmp_path, now)
    os.utime(tmp_path, (now, now))
    assert remove_old_jobs(tmp_path, now + 200 * DAY) == []


def test_after_a_long_pause_old_jobs_go_a_month_later(tmp_path: Path) -> None:
    make_job(tmp_path, OLD)
    now = time.time()
    for day in (0, 100, 110, 120):
        assert remove_old_jobs(tmp_path, now + day * DAY) == []
    assert remove_old_jobs(tmp_path, now + 131 * DAY) == [OLD]


def test_lock_files_go_with_their_job(tmp_path: Path) -> None:
    for number in range(5):
        with Job(tmp_path, f"{number:020x}") as job:
            assert job.folder.with_suffix(".lock").exists()
            job.remove()
    assert names(tmp_path) == []


def test_lock_files_that_killed_runs_left_go_after_a_day(tmp_path: Path) -> None:
    for name in (OLD, NEW, "apt"):
        (tmp_path / f"{name}.lock").touch()
    for name in (OLD, "apt"):
        os.utime(tmp_path / f"{name}.lock", (1e9, 1e9))
    remove_old_jobs(tmp_path)
    assert names(tmp_path) == [f"{NEW}.lock", "apt.lock"]


def test_a_work_folder_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    assert remove_old_jobs(tmp_path / "none") == []
    (tmp_path / "file").touch()
    assert remove_old_jobs(tmp_path / "file") == []
