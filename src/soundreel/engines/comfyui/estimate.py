"""What a job costs, as other people report it. We have measured none of this."""

from __future__ import annotations

from itertools import pairwise

from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.types import Estimate, Plan

_TABLE = ((77, 90, 150, 25), (161, 180, 300, 28), (305, 300, 500, 30))
"""(frames, shortest and longest seconds, GiB of video memory)."""
_SIZE = 832 * 1216
_SOURCE = "reported by others (832x1216, 4 steps, RTX 5090), not measured"


def estimate(plan: Plan, options: ComfyUIOptions) -> Estimate:
    """Time and memory from the classic table, between and beyond its rows in straight lines.

    Unknown where the table says nothing: another number of steps, or a larger picture.
    """
    pixels = plan.request.width * plan.request.height
    sampling = options.sampling
    told = options.workflow is None and (sampling.steps, sampling.guidance_scale) == (4, 1.0)
    if not told or pixels > _SIZE:
        reason = "unknown: the table holds for 4 steps at up to 832x1216"
        return Estimate(source=_SOURCE, details=(("time and memory", reason),))
    low, high, gib = (_at(plan.made_frames, column) for column in (1, 2, 3))
    gib = min(gib, _TABLE[-1][3])
    details = (("time", f"{low:.0f} to {high:.0f} s, the loading of models not counted"),)
    return Estimate((low + high) / 2, round(gib * 2**30), _SOURCE, details)


def _at(frames: int, column: int) -> float:
    """The table's value for `frames`: its first row below it, its last slope beyond it."""
    if frames <= _TABLE[0][0]:
        return float(_TABLE[0][column])
    rows = list(pairwise(_TABLE))
    below, above = next((pair for pair in rows if frames <= pair[1][0]), rows[-1])
    share = (frames - below[0]) / (above[0] - below[0])
    return below[column] + share * (above[column] - below[column])
