"""What of a plan is sealed, what is to be made, and how it is sealed when it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from soundreel.errors import WorkError
from soundreel.events import ChunkSealed, Event, FrameDone, RunControl
from soundreel.post.crossfade import mix, read_held
from soundreel.render.kept import Pieces
from soundreel.render.maker import MadeChunk, Task
from soundreel.render.piece import PieceWriter
from soundreel.timeline.pieces import Piece, makers, pieces_of, share_of
from soundreel.timeline.units import are_chunks_alone, units_of
from soundreel.types import Plan, Rgb
from soundreel.work.files import create, disk_errors
from soundreel.work.job import Job
from soundreel.work.seal import NO_STATE


class Sealing:
    """The job of a plan while its chunks are made, by whomever, in any order.

    before_seal: raises where a finished chunk must not be kept. there: pieces of an earlier video.
    """

    def __init__(
        self,
        plan: Plan,
        job: Job,
        control: RunControl,
        before_seal: Callable[[], None],
        there: Pieces | None,
    ) -> None:
        self._plan, self._job, self._control = plan, job, control
        self._before_seal, self._there = before_seal, there
        self._pieces = pieces_of(plan)
        self._ends = {piece.chunk: piece for piece in self._pieces if not piece.mixed}
        new = (piece for piece in self._pieces if there is None or not there.holds(piece))
        self.new = frozenset(piece.index for piece in new)
        self._mixed = [piece for piece in self._pieces if piece.mixed and piece.index in self.new]
        self._alone = are_chunks_alone(plan)
        self._counted = sum(map(len, (piece.frames for piece in self._sealed_pieces())))
        self._writer = PieceWriter(plan, replace(control, on_event=self.tell))

    def require_waiting(self) -> None:
        """WorkError where pictures that wait for a crossfade are gone."""
        for piece in self._unmixed():
            for end in self._ends_of(piece):
                if self._is_sealed(end):
                    read_held(self._job.held(end.index))

    def copy_kept(self) -> None:
        """The pieces that an earlier video has, or that have no picture."""
        for piece in self._pieces:
            if self._is_sealed(piece) or (piece.index in self.new and piece.frames):
                continue
            self._control.raise_if_cancelled()
            path = self._job.piece(piece.index)
            create(path)
            if self._there is not None and piece.frames:
                self._there.copy(piece, path)
                self._counted += len(piece.frames)
            if piece.mixed:
                self._seal(piece, b"", b"")
            elif not self._is_made(piece.chunk):
                states = self._kept_state(piece.chunk) if self._job.keep_states else None
                self._seal(piece, *(states or (NO_STATE, b"")))
                self._tell_sealed(piece.chunk)

    def tasks(self) -> Iterator[Task]:
        """What is to be made, in order."""
        for unit in units_of(self._plan):
            run: list[int] = []
            for chunk in unit:
                if self._is_made(chunk) and not self._is_sealed(self._ends[chunk]):
                    run.append(chunk)
                elif run:
                    yield self._task(run)
                    run = []
            if run:
                yield self._task(run)

    def seal(self, made: MadeChunk, by: str = "") -> None:
        """Take in what a hand made; the files move into the job's folder. by: its name, where it
        makes a difference."""
        for name, path in made.files.items():
            if path != (place := self._job.folder / name):
                with disk_errors(f"write {place}"):
                    path.replace(place)
        goes_on = self._plan.chunks[made.chunk].first_slot > 0 and not self._alone
        after = self._ends[made.chunk - 1].index if goes_on else None
        self._seal(self._ends[made.chunk], made.session, made.post, after=after, by=by)
        self._tell_sealed(made.chunk)

    def mix(self) -> None:
        """Make the pieces that two shots show together, as far as both are there."""
        for piece in self._unmixed():
            if all(self._is_sealed(end) for end in self._ends_of(piece)):
                self._writer.write(self._job.piece(piece.index), self._mixed_pictures(piece))
                self._seal(piece, b"", b"")
                self._drop_held(piece)

    def tell(self, event: Event) -> None:
        """On to the user. Of pictures it is told how many there are, whichever they are."""
        if isinstance(event, FrameDone):
            self._counted += 1
            event = FrameDone(self._counted, event.total)
        self._control.emit(event)

    def lost(self, pictures: int) -> None:
        """So many that were told are to be made again."""
        self._counted -= pictures

    def _sealed_pieces(self) -> Iterator[Piece]:
        return (piece for piece in self._pieces if self._is_sealed(piece))

    def _is_sealed(self, piece: Piece) -> bool:
        return piece.index in self._job.sealed_pieces

    def _is_made(self, chunk: int) -> bool:
        return self._there is None or chunk in self._there.made

    def _task(self, run: list[int]) -> Task:
        return Task(range(run[0], run[-1] + 1), self._state_before(run[0]))

    def _state_before(self, chunk: int) -> tuple[bytes, bytes] | None:
        """After the chunk before it: made here, or for an earlier video."""
        if self._alone or not self._plan.chunks[chunk].first_slot:
            return None
        if self._is_made(chunk - 1):
            return self._job.state(self._ends[chunk - 1].index)
        state = self._kept_state(chunk - 1)
        if state is None:
            raise WorkError(
                f"the state after part {chunk} is gone, from which this job was to go on",
                hint="remove it (soundreel jobs remove), and run the command again",
            )
        return state

    def _kept_state(self, chunk: int) -> tuple[bytes, bytes] | None:
        return None if self._there is None else self._there.state_after(chunk)

    def _seal(
        self, piece: Piece, session: bytes, post: bytes, after: int | None = None, by: str = ""
    ) -> None:
        self._before_seal()
        self._job.seal(piece.index, session, post, after=after, by=by)

    def _tell_sealed(self, chunk: int) -> None:
        self._control.emit(ChunkSealed(chunk, len(self._plan.chunks)))

    def _unmixed(self) -> list[Piece]:
        return [piece for piece in self._mixed if not self._is_sealed(piece)]

    def _ends_of(self, piece: Piece) -> list[Piece]:
        """The pieces that end the chunks whose pictures are in it."""
        return [self._ends[chunk] for chunk in makers(self._plan, piece)]

    def _mixed_pictures(self, piece: Piece) -> Iterator[tuple[int, Rgb]]:
        plan, shot = self._plan, self._plan.chunks[piece.chunk].shot
        held = {end.chunk: read_held(self._job.held(end.index)) for end in self._ends_of(piece)}
        new = held.pop(piece.chunk)
        for number in piece.frames:
            old = next(before for before in held.values() if number in before)
            share = share_of(plan, plan.shots[shot], number)
            yield number, mix(old.picture(number), new.picture(number), share)

    def _drop_held(self, mixed: Piece) -> None:
        """Of the chunks whose pictures are all in sealed pieces."""
        needed = {end.index for piece in self._unmixed() for end in self._ends_of(piece)}
        for end in self._ends_of(mixed):
            if end.index not in needed:
                self._job.held(end.index).unlink(missing_ok=True)
