"""Jobs in SQLite: what is accepted stays, whatever happens to the server."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soundreel.errors import WorkError

Status = Literal["queued", "in_progress", "completed", "failed"]
"""As the field has them; a cancelled job is a failed one whose error has the code "cancelled"."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    progress INTEGER NOT NULL DEFAULT 0,
    engine TEXT NOT NULL,
    asked TEXT NOT NULL,
    plan TEXT NOT NULL,
    again TEXT,
    notices TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    result TEXT,
    idempotency TEXT UNIQUE
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
"""
_JSON = ("asked", "plan", "again", "notices", "error", "result")


@dataclass(frozen=True, slots=True)
class StoredJob:
    (
        """number: its place in the order of coming. created, started, finished: seconds since 1970.
    asked: see `asked.Asked`; plan: see `documents.plans`; again: of a remake, the video and the
    part; notices: what it said to be read; error, result: at its end; idempotency: the client's
    key."""
        ""
    )

    number: int
    id: str
    status: Status
    created: float
    started: float | None
    finished: float | None
    progress: int
    engine: str
    asked: Mapping[str, Any]
    plan: Mapping[str, Any]
    again: Mapping[str, Any] | None = None
    notices: Sequence[str] = ()
    error: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    idempotency: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed")


class Store:
    """One file of jobs. Thread-safe; every call is a transaction that is on the disk at its end."""

    def __init__(self, path: Path) -> None:
        """Raises WorkError where the file cannot be used."""
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            found = self._database.execute("PRAGMA user_version").fetchone()[0]
            if found > _VERSION:
                raise WorkError(
                    f"the jobs in {path} were written by a later soundreel",
                    hint="update soundreel, or start it on another work folder",
                )
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version={_VERSION}")
        except (OSError, sqlite3.Error) as err:
            raise WorkError(
                f"the jobs in {path} cannot be used: {err}", hint="see the disk, and its rights"
            ) from err

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add(
        self,
        key: str,
        engine: str,
        asked: Mapping[str, Any],
        plan: Mapping[str, Any],
        *,
        again: Mapping[str, Any] | None = None,
        idempotency: str | None = None,
    ) -> StoredJob:
        """A new queued job. Of two with the same `idempotency` the first stays, and is given."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO jobs (id, status, created, engine, asked, plan, again, idempotency)"
                " VALUES (?, 'queued', ?, ?, ?, ?, ?, ?) ON CONFLICT (idempotency) DO NOTHING",
                (key, time.time(), engine, *map(_text, (asked, plan, again)), idempotency),
            )
            row = database.execute(
                "SELECT * FROM jobs WHERE id = ? OR (idempotency = ? AND ? IS NOT NULL)",
                (key, idempotency, idempotency),
            ).fetchone()
        return _job(row)

    def get(self, key: str) -> StoredJob | None:
        return next(iter(self._select("WHERE id = ?", key)), None)

    def by_idempotency(self, idempotency: str) -> StoredJob | None:
        return next(iter(self._select("WHERE idempotency = ?", idempotency)), None)

    def page(
        self, limit: int, after: StoredJob | None = None, *, oldest_first: bool = False
    ) -> list[StoredJob]:
        """At most `limit` jobs by the order of coming, those behind `after`."""
        sign, order = (">", "ASC") if oldest_first else ("<", "DESC")
        if after is None:
            return self._select(f"ORDER BY number {order} LIMIT ?", limit)
        where = f"WHERE number {sign} ? ORDER BY number {order} LIMIT ?"
        return self._select(where, after.number, limit)

    def with_status(self, *statuses: Status) -> list[StoredJob]:
        """In the order of coming."""
        marks = ", ".join("?" * len(statuses))
        return self._select(f"WHERE status IN ({marks}) ORDER BY number", *statuses)

    def counts(self) -> dict[str, int]:
        """How many jobs there are of each status."""
        with self._lock:
            rows = self._database.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status")
            return {str(row[0]): int(row[1]) for row in rows}

    def place(self, job: StoredJob) -> int:
        """How many queued jobs came before this one."""
        with self._lock:
            [count] = self._database.execute(
                "SELECT COUNT(*) FROM jobs WHERE status = 'queued' AND number < ?", (job.number,)
            ).fetchone()
        return int(count)

    def start(self, key: str) -> StoredJob | None:
        """From queued to in_progress; None where it is no longer queued."""
        return self._change(key, "queued", status="in_progress", started=time.time())

    def progress(self, key: str, percent: int) -> None:
        self._change(key, "in_progress", progress=percent)

    def notice(self, key: str, notices: Sequence[str]) -> None:
        self._change(key, "in_progress", notices=_text(list(notices)))

    def requeue(self, key: str) -> StoredJob | None:
        """From in_progress to queued; None where it is no longer in progress."""
        return self._change(key, "in_progress", status="queued")

    def complete(self, key: str, result: Mapping[str, Any]) -> StoredJob | None:
        """None where it is no longer in progress."""
        done = {"status": "completed", "finished": time.time(), "progress": 100}
        return self._change(key, "in_progress", **done, result=_text(result))

    def fail(self, key: str, error: Mapping[str, Any]) -> StoredJob | None:
        """None where it ended before."""
        failed = {"status": "failed", "finished": time.time(), "error": _text(error)}
        return self._change(key, "in_progress", **failed) or self._change(key, "queued", **failed)

    def cancel_queued(self, key: str, error: Mapping[str, Any]) -> StoredJob | None:
        """Fail it where it still waits; None where it does not."""
        return self._change(
            key, "queued", status="failed", finished=time.time(), error=_text(error)
        )

    def requeue_running(self) -> int:
        """What a server that is gone had in progress waits again; how many. They go first, since
        they came first."""
        with self._transaction() as database:
            done = database.execute(
                "UPDATE jobs SET status = 'queued' WHERE status = 'in_progress'"
            )
        return done.rowcount

    def remove(self, key: str) -> None:
        with self._transaction() as database:
            database.execute("DELETE FROM jobs WHERE id = ?", (key,))

    def _change(self, key: str, before: Status, **values: Any) -> StoredJob | None:
        """Only of a job that has the status `before`."""
        sets = ", ".join(f"{name} = ?" for name in values)
        with self._transaction() as database:
            done = database.execute(
                f"UPDATE jobs SET {sets} WHERE id = ? AND status = ?",
                (*values.values(), key, before),
            )
            if not done.rowcount:
                return None
            return _job(database.execute("SELECT * FROM jobs WHERE id = ?", (key,)).fetchone())

    def _select(self, clause: str, *values: object) -> list[StoredJob]:
        with self._lock:
            rows = self._database.execute(f"SELECT * FROM jobs {clause}", values).fetchall()
        return [_job(row) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Raises WorkError where the disk refuses."""
        try:
            with self._lock, self._database:
                yield self._database
        except sqlite3.OperationalError as err:
            raise WorkError(f"the job could not be kept: {err}", hint="is the disk full?") from err


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=True)


def _job(row: sqlite3.Row) -> StoredJob:
    values = dict(row)
    for name in _JSON:
        values[name] = None if values[name] is None else json.loads(values[name])
    return StoredJob(**values)
