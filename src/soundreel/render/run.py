"""From a plan to its sealed pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from soundreel.engines.base import Ready
from soundreel.errors import WorkError
from soundreel.events import ChunkSealed, Notice, RunControl
from soundreel.render.kept import Kept
from soundreel.render.maker import Maker, Place
from soundreel.render.sealing import Sealing
from soundreel.timeline.pieces import Piece, pieces_of
from soundreel.types import Plan
from soundreel.work.job import Job

Make = Callable[[Plan, Ready, Job, Sealing, RunControl], None]
"""Makes all that `sealing.tasks()` asks for, and gives it to `sealing.seal`."""


def make_here(plan: Plan, ready: Ready, job: Job, sealing: Sealing, control: RunControl) -> None:
    """All in this process, one chunk after the other."""
    control = replace(control, on_event=sealing.tell)
    place = Place(job.folder, job.fixed, job.folder.parent)
    with ready.open(plan.for_engine, control) as session:
        maker = Maker(plan, session, control, place, sealing.new)
        for task in sealing.tasks():
            for made in maker.make(task):
                sealing.seal(made)
                sealing.mix()


def render_chunks(
    plan: Plan,
    ready: Ready,
    job: Job,
    control: RunControl,
    before_seal: Callable[[], None] = lambda: None,
    kept: Kept | None = None,
    make: Make = make_here,
) -> int:
    """Render and seal every chunk that is not sealed yet; returns how many were already.

    before_seal: raises where a finished chunk must not be kept.
    kept: an earlier video, of which pieces are used.
    """
    pieces, count = pieces_of(plan), len(plan.chunks)
    _require_of_plan(job, pieces)
    done = [piece.chunk for piece in pieces if not piece.mixed and _is_sealed(piece, job)]
    for index in done:
        control.emit(ChunkSealed(index, count, resumed=True))
    if job.sealed == len(pieces):
        return len(done)
    job.check_pieces()
    there = None if kept is None else kept.fit(plan, job.fixed)
    if there is not None:
        control.emit(Notice(there.told))
    sealing = Sealing(plan, job, control, before_seal, there)
    sealing.require_waiting()
    sealing.copy_kept()
    if next(sealing.tasks(), None) is not None:
        make(plan, ready, job, sealing, control)
    sealing.mix()
    return len(done)


def hands_of(plan: Plan, job: Job) -> dict[str, list[int]]:
    """The parts (from 1) that each hand made, where it makes a difference who did."""
    hands: dict[str, list[int]] = {}
    made_by = job.made_by
    for piece in pieces_of(plan):
        if piece.index in made_by:
            hands.setdefault(made_by[piece.index], []).append(piece.chunk + 1)
    return hands


def _is_sealed(piece: Piece, job: Job) -> bool:
    return piece.index in job.sealed_pieces


def _require_of_plan(job: Job, pieces: tuple[Piece, ...]) -> None:
    if max(job.sealed_pieces, default=-1) >= len(pieces):
        raise WorkError(
            f"the unfinished job in {job.folder} has {job.sealed} parts, its plan has "
            f"{len(pieces)}",
            hint=f"to start over, delete {job.folder}",
        )
