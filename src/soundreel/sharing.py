"""Who makes the pictures of a job."""

from __future__ import annotations

from functools import partial

from soundreel.config import Settings
from soundreel.engines.base import Distributed, Ready, Spreading
from soundreel.errors import mention
from soundreel.events import Notice, RunControl
from soundreel.render.run import Make, make_here
from soundreel.types import Plan


def make_with(plan: Plan, ready: Ready, settings: Settings, control: RunControl) -> Make:
    """Who makes the pictures: this process, or several, or several machines, where the engine can
    share its work; or the workers of a cluster."""
    if settings.cluster is not None:
        from soundreel.farm.cluster import make_by_cluster

        return partial(make_by_cluster, settings)
    wanted = settings.workers or 1
    workers = (
        ready.workers(plan.for_engine, settings.workers) if isinstance(ready, Spreading) else ()
    )
    if wanted > max(1, len(workers)):
        most = "one process" if len(workers) < 2 else f"{len(workers)} processes"
        said = f"engine {plan.request.engine} can use {most} here, not {mention(workers=wanted)}"
        control.emit(Notice(said))
    if isinstance(ready, Distributed) and len(machines := ready.machines) > 1:
        from soundreel.farm.machines import make_by_machines

        return partial(make_by_machines, machines)
    if len(workers) < 2:
        return make_here
    from soundreel.farm.local import make_by_processes

    return partial(make_by_processes, workers, settings)
