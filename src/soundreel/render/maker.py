"""Makes the pieces of chunks with an opened session, wherever that runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from soundreel.engines.base import Session, Steadying
from soundreel.errors import EngineError
from soundreel.events import ChunkStarted, RunControl
from soundreel.post.chain import PassThrough, Post
from soundreel.post.crossfade import Held, write_held
from soundreel.render.piece import PieceWriter
from soundreel.timeline.pieces import Piece, pieces_of
from soundreel.timeline.rates import outputs_of
from soundreel.timeline.units import are_chunks_alone
from soundreel.types import Chunk, Plan, Rgb
from soundreel.work.job import Fixed, held_name, piece_name


@dataclass(frozen=True, slots=True)
class Task:
    """Chunks to be made one after the other. state: of session and post after the chunk before
    them; None where they begin without it."""

    chunks: range
    state: tuple[bytes, bytes] | None = None


@dataclass(frozen=True, slots=True)
class MadeChunk:
    """files: where they lie, by the names that they get in the job's folder. session, post: the
    states that the next chunk starts from."""

    chunk: int
    files: Mapping[str, Path]
    session: bytes
    post: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """What a maker needs of the machine that it runs on. folder: where its files go; ending: told
    apart by it from those of others who make chunks of the same job; fixed: see `Job.fixed`;
    paces: the folder in which paces of networks are kept."""

    folder: Path
    fixed: Fixed
    paces: Path
    ending: str = ""


class Maker:
    """Makes chunks of a plan. new: the pieces that are to be made."""

    def __init__(
        self, plan: Plan, session: Session, control: RunControl, place: Place, new: Collection[int]
    ) -> None:
        self._plan, self._session, self._control, self._place = plan, session, control, place
        steadied = isinstance(session, Steadying)
        self._post = Post(plan, place.fixed, place.paces, steadied=steadied)
        self._writer = PieceWriter(plan, control)
        self._new, self._alone = frozenset(new), are_chunks_alone(plan)
        self._pieces: dict[int, list[Piece]] = {}
        for piece in pieces_of(plan):
            self._pieces.setdefault(piece.chunk, []).append(piece)
        mixed = (piece for pieces in self._pieces.values() for piece in pieces if piece.mixed)
        self._mixed = [piece.frames for piece in mixed if piece.index in self._new]
        self._last: int | None = None

    def make(self, task: Task) -> Iterator[MadeChunk]:
        """Chunk after chunk. Raises EngineError if the engine gives too few or misshapen pictures;
        and as the session, the post filters and the encoder do."""
        self._begin(self._plan.chunks[task.chunks.start], task.state)
        for index in task.chunks:
            self._control.raise_if_cancelled()
            chunk, self._last = self._plan.chunks[index], None
            self._control.emit(ChunkStarted(index, len(self._plan.chunks), chunk.num_frames))
            files = self._make(chunk)
            self._last = index
            yield MadeChunk(index, files, *self._states())

    def _begin(self, chunk: Chunk, state: tuple[bytes, bytes] | None) -> None:
        if state is not None:
            self._session.restore(state[0])
            self._post.restore(state[1])
        elif not chunk.first_slot or self._last != chunk.index - 1:
            self._post.restore(b"")
            if chunk.first_slot:
                self._show_last_of(self._plan.chunks[chunk.index - 1])

    def _show_last_of(self, chunk: Chunk) -> None:
        """To the interpolator: the picture before a chunk that begins inside its shot."""
        if isinstance(self._post.rate, PassThrough):
            return
        slots = chunk.num_frames - 1
        single = replace(
            chunk,
            first_slot=chunk.first_slot + chunk.dropped_frames + slots,
            generated_frames=1,
            dropped_frames=0,
            start_frame=chunk.start_frame + slots,
            num_frames=1,
            lookahead_frames=0,
        )
        for frame in self._session.render(single, self._control):
            self._post.rate.push(frame.rgb, single.start_frame)

    def _states(self) -> tuple[bytes, bytes]:
        if self._alone:
            return b"", b""
        return self._session.snapshot(), self._post.snapshot()

    def _make(self, chunk: Chunk) -> dict[str, Path]:
        """The chunk's files."""
        outputs, files, held = outputs_of(self._plan, chunk), dict[str, Path](), Held()
        self._post.enter(chunk)
        made = enumerate(self._pictures(chunk), outputs.start)
        for piece in self._pieces[chunk.index]:
            own = islice(made, len(piece.frames))
            if piece.mixed:
                self._hold(own, held)
            elif piece.index in self._new and piece.frames:
                files[piece_name(piece.index)] = path = self._path(piece_name(piece.index))
                self._writer.write(path, own)
            else:
                deque(own, maxlen=0)
        if any(number not in outputs for number in self._hold(made, held)):
            raise EngineError(f"an engine gave too many pictures of part {chunk.index + 1}")
        if held:
            name = held_name(self._pieces[chunk.index][-1].index)
            files[name] = self._path(name)
            write_held(files[name], held)
        return files

    def _hold(self, made: Iterator[tuple[int, Rgb]], held: Held) -> list[int]:
        """Keep those that are shown together with another shot's; gives the numbers of all."""
        numbers = []
        for number, picture in made:
            numbers.append(number)
            if any(number in frames for frames in self._mixed):
                held.hold(number, picture)
        return numbers

    def _path(self, name: str) -> Path:
        return self._place.folder / (name + self._place.ending)

    def _pictures(self, chunk: Chunk) -> Iterator[Rgb]:
        """The pictures of the file that a chunk makes of its shot."""
        plan, rate = self._plan, self._post.rate
        following: Rgb | None = None
        expected = (plan.drawn_size.height, plan.drawn_size.width, plan.channels)
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
