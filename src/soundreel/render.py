"""From chunks to sealed pieces of the final encoding: the part of the flow that can resume."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from soundreel.engines.base import Ready, Session
from soundreel.errors import EngineError, WorkError
from soundreel.events import ChunkSealed, ChunkStarted, FrameDone, RunControl
from soundreel.post.chain import PostFilter, make_post_filter
from soundreel.post.picture import make_finish
from soundreel.timeline.rates import outputs_of
from soundreel.types import Chunk, Plan, Rgb
from soundreel.video.writer import SegmentWriter
from soundreel.work.files import create
from soundreel.work.job import Job


class Kept(Protocol):
    """Pieces of an earlier video that are used as they are."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What the record says of it; it tells one job from another, too."""
        ...

    def write_piece(self, plan: Plan, chunk: Chunk, piece: Path) -> bool:
        """Write the chunk's piece; False where the chunk is to be rendered. All chunks of a shot
        have one answer, since a session begins anew with a shot."""
        ...


def render_chunks(
    plan: Plan,
    ready: Ready,
    job: Job,
    control: RunControl,
    before_seal: Callable[[], None] = lambda: None,
    kept: Kept | None = None,
) -> int:
    """Render and seal every chunk that is not sealed yet; returns how many were already.

    before_seal: raises where a finished chunk must not be kept.
    kept: whole shots that are there already.
    """
    count, resumed = len(plan.chunks), job.sealed
    if resumed > count:
        raise WorkError(
            f"the unfinished job in {job.folder} has {resumed} parts, its plan has {count}",
            hint=f"to start over, delete {job.folder}",
        )
    for index in range(resumed):
        control.emit(ChunkSealed(index, count, resumed=True))
    if resumed == count:
        return resumed
    post = make_post_filter(plan, job.fixed)
    with ready.open(plan.for_engine, control) as session:
        if resumed:
            session_state, post_state = job.state(resumed - 1)
            session.restore(session_state)
            post.restore(post_state)
        for chunk in plan.chunks[resumed:]:
            control.raise_if_cancelled()
            control.emit(ChunkStarted(chunk.index, count, chunk.num_frames))
            if kept is None or not kept.write_piece(plan, chunk, job.piece(chunk.index)):
                _write_piece(plan, chunk, session, post, job, control)
            before_seal()
            job.seal(chunk.index, session.snapshot(), post.snapshot())
            control.emit(ChunkSealed(chunk.index, count))
    return resumed


def _write_piece(
    plan: Plan, chunk: Chunk, session: Session, post: PostFilter, job: Job, control: RunControl
) -> None:
    size, outputs, finish = plan.request.output_size, outputs_of(plan, chunk), make_finish(plan)
    pictures = _pictures(plan, chunk, session, post, control)
    if not outputs:  # a rate so low that none of the file's pictures falls into this chunk
        deque(pictures, maxlen=0)
        create(job.piece(chunk.index))
        return
    writer = SegmentWriter(job.piece(chunk.index), *size, plan.output_fps, plan.request.encoding)
    with writer:
        for done, picture in enumerate(pictures, outputs.start + 1):
            writer.write(finish(picture))
            control.emit(FrameDone(done, plan.output_frames))


def _pictures(
    plan: Plan, chunk: Chunk, session: Session, post: PostFilter, control: RunControl
) -> Iterator[Rgb]:
    """Output pictures of one chunk. EngineError if the engine gives too few or misshapen ones."""
    following: Rgb | None = None
    expected = (plan.drawn_size.height, plan.drawn_size.width, 3)
    seen = 0
    for frame in session.render(chunk, control):
        control.raise_if_cancelled()
        if frame.rgb.shape != expected or frame.rgb.dtype != "uint8":
            raise EngineError(
                f"engine {plan.request.engine} gave a picture of {frame.rgb.shape}, "
                f"{frame.rgb.dtype}; asked for {expected}, uint8"
            )
        if plan.interpolation.by_engine or seen < chunk.num_frames:
            yield from post.push(frame.rgb, chunk.start_frame + seen)
        else:
            following = frame.rgb
        seen += 1
    if seen < chunk.num_frames:
        raise EngineError(
            f"engine {plan.request.engine} gave {seen} of {chunk.num_frames} pictures of part "
            f"{chunk.index + 1}",
            hint="run the same command again: finished parts are kept",
        )
    if plan.following(chunk) is None:
        yield from post.finish(following)
