"""Jobs that nobody took up again: what may be removed, and when the clock can be believed."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from soundreel.errors import WorkError
from soundreel.work.facts import MARK
from soundreel.work.files import read_regular, write_atomic
from soundreel.work.job import Job
from soundreel.work.lock import Lock

KEEP_DAYS = 30
"""Jobs that nobody took up again for so long are removed."""

_HOUR, _DAY = 3600.0, 86400.0
_KEY = re.compile("[0-9a-f]{20}")
_DIARY = ".soundreel-seen"
"""When a run last looked here, and from when on the clock is believed."""


def remove_old_jobs(work_dir: Path, now: float | None = None) -> list[str]:
    """Remove jobs untouched for KEEP_DAYS that no process holds; returns their keys. Only folders
    with our name and our mark in them are touched, and of those only our own files."""
    now = time.time() if now is None else now
    try:
        if not work_dir.is_dir() or not _is_clock_believable(work_dir, now):
            return []
    except OSError:  # told where the folder is used
        return []
    removed = []
    for folder in _entries(work_dir):
        if _KEY.fullmatch(folder.name) and _is_ours(folder) and _is_old(folder, now):
            with suppress(WorkError):  # in use after all
                with Job(work_dir, folder.name) as job:
                    job.remove()
                removed.append(folder.name)
    _remove_left_locks(work_dir, now)
    return removed


def _entries(work_dir: Path) -> list[Path]:
    try:
        return sorted(work_dir.iterdir())
    except OSError:  # told where the folder is used
        return []


def _is_clock_believable(work_dir: Path, now: float) -> bool:
    """A clock that jumped says nothing about how long a job lay here. After a jump (or after a
    time without a single run, which looks the same) jobs are kept for another KEEP_DAYS."""
    noted, since = _read_diary(work_dir)
    seen = _newest_entry(work_dir, now) if noted is None else noted
    jumped = now < seen - _DAY or now > seen + 2 * KEEP_DAYS * _DAY
    since = now if jumped else since
    if noted is None or jumped or now > noted + _HOUR:
        _write_diary(work_dir, now, since)
    return not jumped and (since is None or now >= since + KEEP_DAYS * _DAY)


def _newest_entry(work_dir: Path, now: float) -> float:
    """When something was last made or removed here, as far as a glance shows."""
    times = [now]
    with suppress(OSError):
        times = [path.lstat().st_mtime for path in (work_dir, *_entries(work_dir))]
    return min(max(times), now)


def _read_diary(work_dir: Path) -> tuple[float | None, float | None]:
    try:
        diary = json.loads(read_regular(work_dir / _DIARY, 1000))
        since = diary["believed since"]
        return float(diary["seen"]), None if since is None else float(since)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None, None


def _write_diary(work_dir: Path, now: float, since: float | None) -> None:
    path = work_dir / _DIARY
    text = json.dumps({"seen": now, "believed since": since})
    with suppress(WorkError):  # a folder that cannot be written is told where it is used
        temporary = path.with_name(f"{_DIARY}.{os.getpid()}-{threading.get_ident()}.part")
        write_atomic(path, text.encode(), temporary=temporary)


def _is_ours(folder: Path) -> bool:
    try:
        facts = json.loads(read_regular(folder / "job.json", 1 << 20))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(facts, dict) and MARK in facts and not folder.is_symlink()


def _is_old(folder: Path, now: float) -> bool:
    """By the newest thing in the folder and in all folders below it."""
    try:
        return max(_times(folder)) <= now - KEEP_DAYS * _DAY
    except OSError:  # its own process removes it at this moment, or it is not ours to read
        return False


def _times(folder: Path) -> Iterator[float]:
    yield folder.lstat().st_mtime
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _times(Path(entry.path))
            else:
                yield entry.stat(follow_symlinks=False).st_mtime


def _remove_left_locks(work_dir: Path, now: float) -> None:
    """Those of killed runs whose job is gone, and of earlier versions, which left them all. A
    young one may be of a process that is about to make its job."""
    for path in work_dir.glob("*.lock"):
        with suppress(OSError):
            stale = path.lstat().st_mtime <= now - _DAY
            if stale and _KEY.fullmatch(path.stem) and not (work_dir / path.stem).exists():
                lock = Lock(path)
                if lock.acquire():
                    lock.release()
