"""One unfinished job on disk: what was fixed when it started, and its sealed chunks.

    <work_dir>/<key>/
        job.json            facts fixed at the start: seed, engine, output, the plan's digest
        chunk-00007.mp4     a finished piece of the final encoding
        chunk-00007.state   written last: seals this chunk and all before it
    <work_dir>/<key>.lock   held while a process works on the job

The state of a chunk is what the next one needs; older states are dropped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from soundreel.errors import WorkError
from soundreel.work.files import disk_errors, write_atomic

KEEP_DAYS = 30
"""Jobs that nobody took up again for so long are removed."""

_HEADER = struct.Struct(">8sQ32s")  # magic, size of the piece, SHA-256 of all that follows
_MAGIC = b"SRSTATE1"


class Job:
    """Open with `with Job(work_dir, key) as job`; WorkError if another process holds it."""

    def __init__(self, work_dir: Path, key: str) -> None:
        self.folder = work_dir / key
        self._lock = FileLock(work_dir / f"{key}.lock")

    def __enter__(self) -> Job:
        with disk_errors(f"use the work folder {self.folder.parent}"):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout as err:
                raise WorkError(
                    f"another process is working on this job ({self.folder})",
                    hint="wait for it, or stop it and run the command again",
                ) from err
            self.folder.mkdir(exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self.sealed:
            self.remove()  # nothing worth resuming
        self._lock.release()

    def fixed(self, name: str, make: Callable[[], Any]) -> Any:
        """A fact (plain JSON) that is decided once, when the job starts, and kept for its life."""
        facts = self._facts()
        if name not in facts:
            facts[name] = make()
            write_atomic(self._facts_path, json.dumps(facts, indent=1).encode())
        return facts[name]

    def fact(self, name: str) -> Any | None:
        """What `fixed` decided in an earlier run, None where nothing is yet."""
        return self._facts().get(name)

    def bind(self, digest: str) -> None:
        """Tie the job to one plan. WorkError if its chunks belong to another."""
        if self.fixed("digest", lambda: digest) != digest:
            raise WorkError(
                f"the unfinished job in {self.folder} was made with another plan "
                "(other versions, weights or encoder)",
                hint=self._restart_hint(),
            )

    @property
    def sealed(self) -> int:
        """How many chunks are finished, counted from the first."""
        return (
            max((int(path.stem[6:]) for path in self.folder.glob("chunk-*.state")), default=-1) + 1
        )

    def piece(self, index: int) -> Path:
        """Where the encoded pictures of chunk `index` lie."""
        return self.folder / f"chunk-{index:05d}.mp4"

    def seal(self, index: int, session: bytes, post: bytes) -> None:
        """Record that chunk `index` is whole, with the states that the next one starts from."""
        sizes = struct.pack(">QQ", len(session), len(post))
        digest = hashlib.sha256(sizes)
        digest.update(session)
        digest.update(post)
        with disk_errors(f"read {self.piece(index)}"):
            header = _HEADER.pack(_MAGIC, self.piece(index).stat().st_size, digest.digest())
        write_atomic(self._state(index), header, sizes, session, post)
        for older in self.folder.glob("chunk-*.state"):
            if older != self._state(index):
                older.unlink()

    def state(self, index: int) -> tuple[bytes, bytes]:
        """Session and post state after chunk `index`. WorkError if the files are damaged."""
        path = self._state(index)
        with disk_errors(f"read {path}"):
            data = memoryview(path.read_bytes())
            size = self.piece(index).stat().st_size
        if len(data) < _HEADER.size + 16:
            raise WorkError(f"{path} is damaged", hint=self._restart_hint())
        magic, expected, digest = _HEADER.unpack(data[: _HEADER.size])
        body = data[_HEADER.size :]
        if magic != _MAGIC or size != expected or hashlib.sha256(body).digest() != digest:
            raise WorkError(f"{path} is damaged", hint=self._restart_hint())
        length, _ = struct.unpack(">QQ", body[:16])
        return bytes(body[16 : 16 + length]), bytes(body[16 + length :])

    def remove(self) -> None:
        """Forget the job: its result is safe."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _facts_path(self) -> Path:
        return self.folder / "job.json"

    def _facts(self) -> dict[str, Any]:
        if not self._facts_path.exists():
            return {}
        try:
            return dict(json.loads(self._facts_path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as err:
            raise WorkError(
                f"{self._facts_path} cannot be read: {err}", hint=self._restart_hint()
            ) from err

    def _state(self, index: int) -> Path:
        return self.piece(index).with_suffix(".state")

    def _restart_hint(self) -> str:
        return f"to start over, delete {self.folder}"


def remove_old_jobs(work_dir: Path, now: float | None = None) -> list[str]:
    """Remove jobs untouched for KEEP_DAYS that no process holds; returns their keys."""
    limit = (time.time() if now is None else now) - KEEP_DAYS * 86400
    removed = []
    for folder in work_dir.glob("*/"):
        if not _is_old(folder, limit):
            continue
        try:
            with Job(work_dir, folder.name) as job:
                job.remove()
                removed.append(folder.name)
        except WorkError:
            continue  # in use after all
    _remove_old_locks(work_dir, limit)
    return removed


def _is_old(folder: Path, limit: float) -> bool:
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
        return newest <= limit and (folder / "job.json").exists()
    except OSError:  # its own process removes it at this moment, or it is not ours to read
        return False


def _remove_old_locks(work_dir: Path, limit: float) -> None:
    """A lock file outlives its job, since removing one that another process opens is a race."""
    for lock in work_dir.glob("*.lock"):
        with suppress(OSError):
            if lock.stat().st_mtime <= limit and not lock.with_suffix("").exists():
                lock.unlink()
