"""Videos that an agent asked for, one after the other, as long as its server lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from soundreel.documents.failures import error_json
from soundreel.errors import Cancelled, InputError, SoundreelError
from soundreel.events import RunControl
from soundreel.types import Result
from soundreel.web.jobs.gauge import Gauge

Make = Callable[[RunControl], Result]


@dataclass(slots=True)
class _Job:
    """told: what its events came to, and how it ended."""

    control: RunControl = field(default_factory=RunControl)
    told: dict[str, Any] = field(default_factory=lambda: {"status": "queued", "progress": 0})
    notices: list[str] = field(default_factory=list)


class AgentJobs:
    """Thread-safe. A job that is stopped goes on when the same video is asked for again."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="agent")
        self._jobs: dict[str, _Job] = {}
        self._numbers, self._lock = count(1), threading.Lock()

    def start(self, make: Make) -> str:
        """Its name, for `status` and `cancel`."""
        job = _Job()
        with self._lock:
            name = f"job-{next(self._numbers)}"
            self._jobs[name] = job
        self._pool.submit(self._run, job, make)
        return name

    def status(self, name: str) -> dict[str, Any]:
        """Raises InputError."""
        job = self._named(name)
        with self._lock:
            return {"job": name, **job.told, "notices": list(job.notices)}

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"job": name, **job.told} for name, job in self._jobs.items()]

    def cancel(self, name: str) -> None:
        """Raises InputError."""
        self._named(name).control.cancel()

    def close(self) -> None:
        """Stop all; what is sealed stays."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.control.cancel()
        self._pool.shutdown(cancel_futures=True)

    def _named(self, name: str) -> _Job:
        with self._lock:
            found = self._jobs.get(name)
        if found is None:
            raise InputError(
                f"there is no job {name[:40]!r}", hint="status without a job lists them"
            )
        return found

    def _run(self, job: _Job, make: Make) -> None:
        def hear(message: Mapping[str, Any]) -> None:
            with self._lock:
                if "notice" in message:
                    job.notices.append(message["notice"])
                elif "now" in message:
                    job.told |= {"progress": message["progress"], "now": message["now"]}

        job.control.on_event = Gauge(hear).hear
        self._tell(job, status="in_progress")
        try:
            job.control.raise_if_cancelled()
            result = make(job.control)
        except Cancelled:
            self._tell(job, status="cancelled", now=None)
        except SoundreelError as err:
            self._tell(job, status="failed", now=None, error=error_json(err))
        except Exception as err:
            fault = SoundreelError(f"unexpected {type(err).__name__}, a fault of soundreel")
            self._tell(job, status="failed", now=None, error=error_json(fault))
        else:
            self._tell(job, status="completed", now=None, progress=100, **_told(result))

    def _tell(self, job: _Job, **told: Any) -> None:
        with self._lock:
            job.told |= told


def _told(result: Result) -> dict[str, Any]:
    return {
        "path": str(result.path),
        "sidecar": str(result.sidecar),
        "seed": result.plan.request.seed,
        "frames": result.plan.output_frames,
        "check": None if result.check is None else dict(result.check),
    }
