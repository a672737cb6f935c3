"""From chunks to sealed pieces of the final encoding: the part of the flow that can resume."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Protocol

from soundreel.engines.base import Ready, Session, Steadying
from soundreel.errors import EngineError, WorkError
from soundreel.events import ChunkSealed, ChunkStarted, FrameDone, Notice, RunControl
from soundreel.post.chain import Post
from soundreel.post.picture import make_finish
from soundreel.timeline.pieces import Piece, pieces_of, share_of
from soundreel.timeline.rates import outputs_of
from soundreel.types import Chunk, Plan, Rgb
from soundreel.video.writer import SegmentWriter
from soundreel.work.files import create
from soundreel.work.job import Fixed, Job
from soundreel.work.seal import NO_STATE


class Pieces(Protocol):
    """Pieces of a plan that are there already."""

    @property
    def made(self) -> Collection[int]:
        """The chunks to render, by their index."""
        ...

    @property
    def told(self) -> str:
        """What is made again, in a sentence."""
        ...

    def holds(self, piece: Piece) -> bool:
        """Whether the piece is there."""
        ...

    def copy(self, piece: Piece, path: Path) -> None:
        """Write a piece that is there."""
        ...

    def state_after(self, index: int) -> tuple[bytes, bytes] | None:
        """Session and post state after a chunk that is not rendered, where they are at hand; they
        are where a chunk that is rendered goes on from it."""
        ...


class Kept(Protocol):
    """An earlier video, of which pieces are used as they are."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What the record says of it; it tells one job from another, too."""
        ...

    def fit(self, plan: Plan, fixed: Fixed) -> Pieces:
        """What it has of a plan. What is decided by what lies about is fixed for the job's life,
        so that no chunk of a later run goes on from one that was not made. Raises WorkError."""
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
    kept: an earlier video, of which pieces are used.
    """
    pieces, count, sealed = pieces_of(plan), len(plan.chunks), job.sealed
    if sealed > len(pieces):
        raise WorkError(
            f"the unfinished job in {job.folder} has {sealed} parts, its plan has {len(pieces)}",
            hint=f"to start over, delete {job.folder}",
        )
    resumed = sum(not piece.mixed for piece in pieces[:sealed])
    for index in range(resumed):
        control.emit(ChunkSealed(index, count, resumed=True))
    if resumed == count:
        return resumed
    there = None if kept is None else kept.fit(plan, job.fixed)
    if there is not None:
        control.emit(Notice(there.told))
    with ready.open(plan.for_engine, control) as session:
        making = _Making(plan, session, job, control, there)
        if sealed:
            making.resume(job.state(sealed - 1))
        for chunk in plan.chunks[resumed:]:
            control.raise_if_cancelled()
            control.emit(ChunkStarted(chunk.index, count, chunk.num_frames))
            making.make(chunk)
            before_seal()
            making.seal(chunk)
            control.emit(ChunkSealed(chunk.index, count))
    return resumed


class _Making:
    """The pieces of a plan in the making, chunk after chunk."""

    def __init__(
        self,
        plan: Plan,
        session: Session,
        job: Job,
        control: RunControl,
        there: Pieces | None,
    ) -> None:
        self._plan, self._session, self._job, self._control = plan, session, job, control
        self._there, self._finish = there, make_finish(plan)
        self._post = Post(plan, job, steadied=isinstance(session, Steadying))
        pieces = pieces_of(plan)
        self._pieces = _by_chunk(pieces)
        new = [piece for piece in pieces if there is None or not there.holds(piece)]
        self._new = {piece.index for piece in new}
        self._made = range(len(plan.chunks)) if there is None else there.made
        self._mixed = [piece.frames for piece in new if piece.mixed]

    def resume(self, sealed: tuple[bytes, bytes]) -> None:
        """After a copied chunk there is nothing to go on from."""
        session, post = sealed
        if session != NO_STATE:
            self._session.restore(session)
            self._post.restore(post)

    def make(self, chunk: Chunk) -> None:
        """The chunk's pieces: rendered or copied."""
        pieces = self._pieces[chunk.index]
        for piece in pieces:
            if piece.index not in self._new or not piece.frames:
                self._copy(piece)
        if chunk.index not in self._made:
            self._post.restore(b"")
            return
        if chunk.first_slot and chunk.index - 1 not in self._made:
            self.resume(self._kept_state(chunk.index - 1, needed=True))
        outputs = outputs_of(self._plan, chunk)
        self._post.enter(chunk)
        made = enumerate(self._pictures(chunk), outputs.start)
        for piece in pieces:
            self._write(piece, islice(made, len(piece.frames)))
        for number, picture in made:  # what the shot shows after its pieces, with the next one
            if number not in outputs:
                raise EngineError(f"an engine gave too many pictures of part {chunk.index + 1}")
            if any(number in frames for frames in self._mixed):
                self._post.crossfade.hold(number, picture)

    def seal(self, chunk: Chunk) -> None:
        last, made = self._pieces[chunk.index][-1].index, chunk.index in self._made
        if made:
            states = self._session.snapshot(), self._post.snapshot()
        else:
            states = self._kept_state(chunk.index) if self._job.keep_states else (NO_STATE, b"")
        self._job.seal(last, *states)

    def _kept_state(self, index: int, *, needed: bool = False) -> tuple[bytes, bytes]:
        """After a chunk that is not made here. WorkError where it is needed and gone."""
        state = None if self._there is None else self._there.state_after(index)
        if state is None and needed:
            raise WorkError(
                f"the state after part {index + 1} is gone, from which this job was to go on",
                hint="remove it (soundreel jobs remove), and run the command again",
            )
        return state or (NO_STATE, b"")

    def _copy(self, piece: Piece) -> None:
        """A piece that is held, or has no picture."""
        path = self._job.piece(piece.index)
        create(path)
        if self._there is not None and piece.frames:
            self._there.copy(piece, path)

    def _write(self, piece: Piece, made: Iterator[tuple[int, Rgb]]) -> None:
        plan, path = self._plan, self._job.piece(piece.index)
        if piece.index not in self._new or not piece.frames:
            deque(made, maxlen=0)
            return
        size = plan.request.output_size
        with SegmentWriter(path, *size, plan.output_fps, plan.request.encoding) as writer:
            for number, picture in made:
                writer.write(self._finish(self._shown(piece, number, picture)))
                self._control.emit(FrameDone(number + 1, plan.output_frames))

    def _shown(self, piece: Piece, number: int, picture: Rgb) -> Rgb:
        if not piece.mixed:
            return picture
        share = share_of(self._plan, self._plan.shot(self._plan.chunks[piece.chunk]), number)
        return self._post.crossfade.mixed(number, picture, share)

    def _pictures(self, chunk: Chunk) -> Iterator[Rgb]:
        """The pictures of the file that a chunk makes of its shot. EngineError if the engine gives
        too few or misshapen ones."""
        plan, rate = self._plan, self._post.rate
        following: Rgb | None = None
        expected = (plan.drawn_size.height, plan.drawn_size.width, 3)
        seen = 0
        for frame in self._session.render(chunk, self._control):
            self._control.raise_if_cancelled()
            if frame.rgb.shape != expected or frame.rgb.dtype != "uint8":
                raise EngineError(
                    f"engine {plan.request.engine} gave a picture of {frame.rgb.shape}, "
                    f"{frame.rgb.dtype}; asked for {expected}, uint8"
                )
            picture = self._post.steadied(frame.rgb)
            if plan.interpolation.by_engine or seen < chunk.num_frames:
                yield from rate.push(picture, chunk.start_frame + seen)
            else:
                following = picture
            seen += 1
        if seen < chunk.num_frames:
            raise EngineError(
                f"engine {plan.request.engine} gave {seen} of {chunk.num_frames} pictures of part "
                f"{chunk.index + 1}",
                hint="run the same command again: finished parts are kept",
            )
        if plan.following(chunk) is None:
            yield from rate.finish(following)


def _by_chunk(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    found: dict[int, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.chunk, []).append(piece)
    return found
