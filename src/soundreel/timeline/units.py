"""What of a plan can be made alone, and in any order."""

from __future__ import annotations

from itertools import groupby

from soundreel.types import Plan


def units_of(plan: Plan) -> tuple[range, ...]:
    """The chunks of each unit, by their index: those of a shot, or a single one where chunks do not
    depend on each other. Pictures that are kept steady do, by the first part of their shot."""
    if are_chunks_alone(plan):
        return tuple(range(chunk.index, chunk.index + 1) for chunk in plan.chunks)
    shots = groupby((chunk.index for chunk in plan.chunks), lambda index: plan.chunks[index].shot)
    return tuple(_spanned(list(indices)) for _, indices in shots)


def are_chunks_alone(plan: Plan) -> bool:
    """Whether every chunk is a unit."""
    in_the_engine = plan.geometry.independent_chunks and not plan.interpolation.by_engine
    return in_the_engine and plan.request.steady == "off"


def _spanned(indices: list[int]) -> range:
    return range(indices[0], indices[-1] + 1)
