"""A finished video of which one shot, or the end of one, is made again; all else is copied."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
        then, now = Cut.of_record(self.record, self.video), Cut.of_plan(plan)
        aligned = then == now
        if replace(then, chunks=()) != replace(now, chunks=()) or (self.chunk and not aligned):
            raise _cut_otherwise(self.video)
        own = [chunk.index for chunk in plan.chunks if chunk.shot == self.shot]
        asked, end = self.chunk or own[0], own[-1] + 1
        kept = KeptPieces(self, plan, range(asked, end), aligned)
        first = fixed("first", lambda: asked if kept.begins(asked) else own[0])
        kept = replace(kept, new=range(first, end))
        new = (piece for piece in pieces_of(plan) if not kept.holds(piece))
        made = fixed("made", lambda: sorted(chunks_for(plan, new, kept.begins)))
        return replace(kept, made=frozenset(made))


@dataclass(frozen=True)
class KeptPieces:
    """What a finished video holds of a plan. See `render.Pieces`. new: the chunks of the remade
    shot that are not copied. aligned: all are cut as they were. made: those that are rendered."""

    source: FinishedVideo
    plan: Plan
    new: range
    aligned: bool
    made: Collection[int] = ()

    def holds(self, piece: Piece) -> bool:
        """Whether nothing in it is new."""
        return not any(index in self.new for index in makers(self.plan, piece))

    def copy(self, piece: Piece, path: Path) -> None:
        """Raises WorkError where the video was changed by another program."""
        encoder = encoder_for(self.plan.request.encoding)
        copy_pictures(self.source.video, piece.frames, self.plan.output_fps, path, encoder)

    def begins(self, index: int) -> bool:
        """Whether a chunk can be made without the one before it."""
        return self.plan.chunks[index].first_slot == 0 or self.state_after(index - 1) is not None

    def state_after(self, index: int) -> tuple[bytes, bytes] | None:
        """From the job that made the video, if it was kept: of chunks that are as they were."""
        there = index < self.new.start or (self.aligned and index not in self.new)
        if self.source.states is None or not there:
            return None
        return self.source.states.saved_state(self._ends[index])

    @cached_property
    def _ends(self) -> Mapping[int, int]:
        """The piece that each chunk ends with."""
        return {piece.chunk: piece.index for piece in pieces_of(self.plan) if not piece.mixed}

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
