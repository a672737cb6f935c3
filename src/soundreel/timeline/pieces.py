"""The closed groups of pictures that a file is joined of, and which chunks each is made from.

A shot that cross-fades is made from before its cut to after the next one; what it shows together
with the shot before it is a piece of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from soundreel.timeline.rates import outputs_of
from soundreel.types import Plan, Shot


@dataclass(frozen=True, slots=True)
class Piece:
    """index: place in the file, from 0. chunk: the one whose pictures finish it. frames: pictures
    of the file. mixed: each is made of one of the chunk's shot and one of the shot before."""

    index: int
    chunk: int
    frames: range
    mixed: bool = False


def pieces_of(plan: Plan) -> tuple[Piece, ...]:
    """For each chunk the piece of what its shot shows alone, perhaps empty; before it the one that
    is mixed, where there is something to mix. Together they are all pictures of the file."""
    pieces: list[Piece] = []
    for chunk in plan.chunks:
        alone, made = shown_alone(plan, plan.shot(chunk)), outputs_of(plan, chunk)
        mixed = range(made.start, min(made.stop, alone.start))
        if mixed:
            pieces.append(Piece(len(pieces), chunk.index, mixed, mixed=True))
        start, stop = max(made.start, alone.start), min(made.stop, alone.stop)
        pieces.append(Piece(len(pieces), chunk.index, range(start, max(start, stop))))
    return tuple(pieces)


def shown_alone(plan: Plan, shot: Shot) -> range:
    """The pictures of the file that the shot shows by itself."""
    factor = plan.interpolation.factor
    ends = (shot.start_frame + shot.fade_in, shot.end_frame - shot.fade_out)
    first, stop = (min(math.ceil(end * factor), plan.output_frames) for end in ends)
    return range(first, stop)


def crossfade_into(plan: Plan, shot: Shot) -> range:
    """The pictures of the file that mix the shot with the one before it; none at a hard cut."""
    first = math.ceil(shot.start_frame * plan.interpolation.factor)
    return range(first, max(first, shown_alone(plan, shot).start))


def share_of(plan: Plan, shot: Shot, number: int) -> Fraction:
    """How much picture `number` of the file shows of `shot`, which fades in: from 0 where that
    begins, by its time, to 1 where it has ended; one half at the cut."""
    return (number / plan.interpolation.factor - shot.start_frame) / shot.fade_in


def makers(plan: Plan, piece: Piece) -> Iterator[int]:
    """The chunks whose pictures are in it, by their index."""
    yield piece.chunk
    if not piece.mixed:
        return
    before = plan.chunks[piece.chunk].shot - 1
    for chunk in reversed(plan.chunks[: piece.chunk]):
        if chunk.shot < before:
            return
        made = outputs_of(plan, chunk)
        if (
            chunk.shot == before
            and made.stop > piece.frames.start
            and made.start < piece.frames.stop
        ):
            yield chunk.index


def chunks_for(plan: Plan, pieces: Iterable[Piece], begins: Callable[[int], bool]) -> set[int]:
    """The chunks to make for these pieces: their makers, and all before them back to one that
    begins without the one before it."""
    wanted: set[int] = set()
    for index in (maker for piece in pieces for maker in makers(plan, piece)):
        while index not in wanted:
            wanted.add(index)
            if begins(index):
                break
            index -= 1
    return wanted
