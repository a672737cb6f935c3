"""A job shared among processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Any

from soundreel.config import Settings
from soundreel.engines.base import Ready, Worker
from soundreel.events import Notice, RunControl
from soundreel.farm.messages import Work
from soundreel.farm.process import ProcessHand
from soundreel.farm.schedule import spread
from soundreel.render.run import make_here
from soundreel.render.sealing import Sealing
from soundreel.types import Plan
from soundreel.work.job import Job


def make_by_processes(
    workers: Sequence[Worker],
    settings: Settings,
    plan: Plan,
    ready: Ready,
    job: Job,
    sealing: Sealing,
    control: RunControl,
) -> None:
    """As `render.run.make_here`, which it is where there is work for one only."""
    tasks = list(sealing.tasks())
    workers = workers[: len(tasks)]
    if len(workers) < 2:
        make_here(plan, ready, job, sealing, control)
        return
    control.emit(Notice(f"{len(workers)} processes make the pictures"))
    work = Work(
        plan=plan,
        settings=settings.model_copy(update={"workers": len(workers)}),
        decisions=job.fact("decisions") or {},
        identity=dict(ready.identity),
        folder=job.folder,
        paces=job.folder.parent,
        ending="",
        new=sealing.new,
    )
    fixed = partial(fixed_one_by_one, Lock(), job)
    hands = [ProcessHand(work, worker.environment, worker.name, fixed) for worker in workers]
    spread(hands, tasks, sealing, control)


def fixed_one_by_one(lock: Lock, job: Job, name: str, make: Callable[[], Any]) -> Any:
    """Several hands ask. A question without an answer of its own fixes nothing."""
    with lock:
        value = job.fact(name)
        if value is None and (made := make()) is not None:
            value = job.fix(name, made)
        return value
