"""A job shared among processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from soundreel.config import Settings
from soundreel.engines.base import Ready, Worker
from soundreel.events import Notice, RunControl
from soundreel.farm.messages import Work
from soundreel.farm.process import ProcessHand
from soundreel.farm.schedule import fixed_by_several, spread
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
    work = Work.of(plan, settings, ready, job, sealing, len(workers))
    fixed = fixed_by_several(job)
    hands = [ProcessHand(work, worker.environment, worker.name, fixed) for worker in workers]
    spread(hands, tasks, sealing, control)
