"""A finished video of which one shot, or the end of one, is made again; all else is copied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from soundreel.errors import WorkError, mention
from soundreel.finished.stitch import copy_pictures
from soundreel.record import file_hash
from soundreel.timeline.pieces import Piece, chunks_for, makers, pieces_of
from soundreel.types import Plan
from soundreel.video.encoders import encoder_for
from soundreel.work.job import Fixed, Job


@dataclass(frozen=True)
class FinishedVideo:
    """See `render.Kept`. shot: which is made again, from 0; chunk: from which one on, counted in
    the video from 0, None for the whole shot. said: what was changed. states: the job that made
    the video, where it was kept."""

    video: Path
    record: Mapping[str, Any]
    said: Mapping[str, object]
    shot: int
    chunk: int | None = None
    states: Job | None = None

    @property
    def facts(self) -> Mapping[str, object]:
        """What was made again, now and before."""
        before = self.record.get("remade", [])
        return {"remade": [*before, {**self.said, "of": file_hash(self.video)}]}

    def fit(self, plan: Plan, fixed: Fixed) -> KeptPieces:
        """Raises WorkError where the plan is not that of the video."""
        self._check(plan)
        first = fixed("first", lambda: self._first(plan))
        kept = KeptPieces(self, plan, range(first, _chunks_of(plan, self.shot).stop))
        new = (piece for piece in pieces_of(plan) if not kept.holds(piece))
        made = fixed("made", lambda: sorted(chunks_for(plan, new, kept.begins)))
        return KeptPieces(self, plan, kept.new, frozenset(made))

    def _check(self, plan: Plan) -> None:
        then, now = Cut.of_record(self.record, self.video), Cut.of_plan(plan)
        if self.chunk is None:  # another prompt may cut the shot into other chunks
            then, now = (replace(cut, chunks=()) for cut in (then, now))
        if then != now:
            raise _cut_otherwise(self.video)

    def _first(self, plan: Plan) -> int:
        """The chunk from which on the shot is new: the one asked for where it can go on from a
        state, else the shot's first."""
        begin = _chunks_of(plan, self.shot).start
        if self.chunk is None or self.chunk == begin or self.states is None:
            return begin
        return self.chunk if self.states.has_state(_end_of(plan, self.chunk - 1)) else begin


@dataclass(frozen=True)
class KeptPieces:
    """What a finished video holds of a plan. See `render.Pieces`. new: the chunks of the remade
    shot that are not copied. made: those that are rendered."""

    source: FinishedVideo
    plan: Plan
    new: range
    made: Collection[int] = ()

    def holds(self, piece: Piece) -> bool:
        """Whether nothing in it is new."""
        return not any(index in self.new for index in makers(self.plan, piece))

    def copy(self, piece: Piece, path: Path) -> None:
        """Raises WorkError where the video was changed by another program."""
        delay = encoder_for(self.plan.request.encoding).decode_delay
        copy_pictures(self.source.video, piece.frames, self.plan.output_fps, path, delay)

    def begins(self, index: int) -> bool:
        """Whether the states before a chunk are at hand. They are those of the first new one, and
        in shots before it: so far all is as it was."""
        states = self.source.states
        if states is None or (index > self.new.start):
            return False
        return states.has_state(_end_of(self.plan, index - 1))

    def states_before(self, index: int) -> tuple[bytes, bytes]:
        """Session and post state. Raises WorkError."""
        states = self.source.states
        if states is None or not self.begins(index):
            raise WorkError(
                f"the state after part {index} of {self.source.video.name} is gone",
                hint="remove this unfinished job (soundreel jobs), and run the command again",
            )
        return states.state(_end_of(self.plan, index - 1))

    @property
    def told(self) -> str:
        """What is made again, and what must be computed for it."""
        beside = sorted(set(self.made) - set(self.new))
        text = self._told_of_shot()
        if beside:
            text += f"; for the crossfades with it, {_parts(beside)} must be computed once more"
        stays = len(self.new) < len(self.plan.chunks)
        return f"{text}; all else stays" if stays else text

    def _told_of_shot(self) -> str:
        number, count, chunk = self.source.shot + 1, len(self.plan.shots), self.source.chunk
        name = f"shot {number} of {count}" if count > 1 else "the video"
        whole = f"{name} is made again from its start"
        if chunk is None:
            return whole
        if self.new.start < chunk:
            return f"the state after part {chunk} is not at hand: {whole}, {_parts(self.new)}"
        text, rest = f"part {chunk + 1} is made again", self.new[1:]
        go = "go" if len(rest) > 1 else "goes"
        return f"{text}, and {_parts(rest)}, which {go} on from its motion" if rest else text


@dataclass(frozen=True)
class Cut:
    """How a video is cut. fps, frames: of the file. shots: first picture and number of the
    engine's. fades: with how many each is mixed in. chunks: pictures made by each."""

    fps: str
    frames: int
    shots: tuple[tuple[int, ...], ...]
    fades: tuple[int, ...]
    chunks: tuple[int, ...]

    @classmethod
    def of_plan(cls, plan: Plan) -> Cut:
        spans = tuple((shot.span.start, len(shot.span)) for shot in plan.shots)
        fades = tuple(shot.fade_in for shot in plan.shots)
        made = tuple(chunk.num_frames for chunk in plan.chunks)
        return cls(str(plan.output_fps), plan.output_frames, spans, fades, made)

    @classmethod
    def of_record(cls, record: Mapping[str, Any], video: Path) -> Cut:
        """Raises WorkError where it does not say so."""
        try:
            plan = record["plan"]
            made = tuple(number for _, number in plan["chunks"])
            shots = tuple(map(tuple, plan.get("shots", [[0, sum(made)]])))
            fades = tuple(plan.get("crossfades", [0] * len(shots)))
            return cls(plan["fps"], plan["frames"], shots, fades, made)
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise _cut_otherwise(video) from err

    def shot_of(self, chunk: int) -> int:
        """The shot that a chunk is of; a shot is made from before its cut to after the next."""
        halves = [fade // 2 for fade in (*self.fades, 0)]
        made = [n + halves[k] + halves[k + 1] for k, (_, n) in enumerate(self.shots)]
        begin = sum(self.chunks[:chunk])
        return sum(end <= begin for end in accumulate(made))


def _cut_otherwise(video: Path) -> WorkError:
    return WorkError(
        f"{video.name} was cut otherwise than this version cuts it",
        hint="make it again as a whole: " + mention(**{"from": video.name}),
    )


def _chunks_of(plan: Plan, shot: int) -> range:
    own = [chunk.index for chunk in plan.chunks if chunk.shot == shot]
    return range(own[0], own[-1] + 1)


def _end_of(plan: Plan, chunk: int) -> int:
    """The piece that a chunk ends with."""
    return next(p.index for p in pieces_of(plan) if p.chunk == chunk and not p.mixed)


def _parts(chunks: Sequence[int]) -> str:
    """ "part 3", "parts 3 to 5 and 9"."""
    runs: list[list[int]] = []
    for chunk in chunks:
        if runs and chunk == runs[-1][-1] + 1:
            runs[-1].append(chunk)
        else:
            runs.append([chunk])
    texts = [f"{run[0] + 1} to {run[-1] + 1}" if len(run) > 1 else str(run[0] + 1) for run in runs]
    joined = " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
    return f"part{'s' * (len(chunks) > 1)} {joined}"
