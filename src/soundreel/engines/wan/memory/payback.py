"""Whether compiling the transformer's blocks pays back within a job. No torch."""

from __future__ import annotations

from soundreel.engines.wan.memory.needs import Workload, pieces_of_pass
from soundreel.types import Plan

SAVED = 0.03
"""Share of a job's time that compiled blocks save. Predicted, the low end: of 2.76 TB a pass at
832x1216 that go through a card's memory between products and attention, fused kernels need about
half, which is 3 % of the ideal pass on an RTX 4090 and 5 % on an H100."""

GRAPH_S, PIECE_S = 11.0, 8.0
"""Seconds for both sorts of block at one size of work, and for each piece of its tokens. Assumed:
twice the CPU seconds that were measured without a card."""


def seconds_saved(likely_s: float) -> float:
    """By compiled blocks, of a job that likely takes so long."""
    return SAVED * likely_s


def compile_seconds(plan: Plan, *, first_motion: bool) -> float:
    """Of all sizes of work in the plan. first_motion: shots begin with motion pictures."""
    request = plan.request
    works = {
        Workload(
            request.width,
            request.height,
            chunk.generated_frames,
            reference=request.has_picture,
            motion=chunk.first_slot > 0 or first_motion,
        )
        for chunk in plan.chunks
    }
    return sum(GRAPH_S + PIECE_S * pieces_of_pass(work) for work in works)
