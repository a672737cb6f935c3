"""The unfinished jobs of a work folder, looked at without disturbing them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundreel.errors import InputError, WorkError
from soundreel.work.facts import MARK
from soundreel.work.files import read_regular
from soundreel.work.job import Job
from soundreel.work.lock import Lock

_KEY = re.compile("[0-9a-f]{20}")
_MOST_FACTS = 16 << 20
SHORTEST_KEY = 4


@dataclass(frozen=True, slots=True)
class ListedJob:
    """facts: what its job.json holds, unchecked. sealed: finished chunks. size: bytes of all its
    files. touched: when the newest of them was written (time.time()). running: a process works on
    it."""

    key: str
    facts: Mapping[str, Any]
    sealed: int
    size: int
    touched: float
    running: bool

    @property
    def asked(self) -> Mapping[str, Any]:
        """See `record.asked`; empty in a job of an earlier version, or where it is none."""
        noted = self.facts.get("asked")
        whole = isinstance(noted, dict) and all(
            isinstance(noted.get(name), dict) for name in ("request", "files")
        )
        return noted if whole and noted is not None else {}


def list_jobs(work_dir: Path) -> list[ListedJob]:
    """The last one worked on first. Folders that are not ours are passed over."""
    with suppress(OSError):
        folders = [path for path in work_dir.iterdir() if _KEY.fullmatch(path.name)]
        found = (job for folder in folders for job in _look(folder))
        return sorted(found, key=lambda job: job.touched, reverse=True)
    return []


def find_job(work_dir: Path, key: str) -> ListedJob:
    """The one job whose key begins with `key`. Raises InputError."""
    found = [job for job in list_jobs(work_dir) if job.key.startswith(key)]
    if len(key) < SHORTEST_KEY or len(found) != 1:
        several = f"{len(found)} unfinished jobs begin" if found else "no unfinished job begins"
        raise InputError(
            f"{several} with {key!r} in {work_dir}",
            hint="soundreel jobs lists them with their keys",
        )
    return found[0]


def remove_job(work_dir: Path, job: ListedJob) -> None:
    """Raises WorkError while a process works on it."""
    with Job(work_dir, job.key) as held:
        held.remove()
    if (work_dir / job.key).exists():
        raise WorkError(
            f"{work_dir / job.key} cannot be removed whole",
            hint="it holds files that are not soundreel's, or may not be written",
        )


def _look(folder: Path) -> Iterator[ListedJob]:
    """One, or none where it is not ours, or its own process removes it at this moment."""
    with suppress(OSError, ValueError, RecursionError):
        facts = json.loads(read_regular(folder / "job.json", _MOST_FACTS))
        if isinstance(facts, dict) and MARK in facts and not folder.is_symlink():
            status = [path.lstat() for path in folder.iterdir()]
            yield ListedJob(
                folder.name,
                facts,
                Job(folder.parent, folder.name).sealed,
                sum(one.st_size for one in status),
                max(one.st_mtime for one in status),
                _is_held(folder.with_name(f"{folder.name}.lock")),
            )


def _is_held(path: Path) -> bool:
    """The lock's file is there only while it is held, or after a killed run."""
    if not path.exists():
        return False
    lock = Lock(path)
    if not lock.acquire():
        return True
    lock.release()
    return False
