"""What a job costs, as other people report it. We have measured none of this."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapreplace
from itertools import pairwise

from soundreel.config import Settings
from soundreel.engines.comfyui.client.wire.address import parse_servers
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.timeline.units import units_of
from soundreel.types import Estimate, Plan

_TABLE = ((77, 90, 150, 25), (161, 180, 300, 28), (305, 300, 500, 30))
"""(frames, shortest and longest seconds, GiB of video memory)."""
_SIZE = 832 * 1216
NOT_ASKED = "not asked: see doctor"
_SOURCE = "reported by others (832x1216, 4 steps, RTX 5090), not measured"


def named_servers(settings: Settings) -> int:
    """How many the settings name."""
    return len(parse_servers(settings.url, settings.token))


def with_servers(known: Estimate, plan: Plan, servers: int, asked: str) -> Estimate:
    """Said beside it: how many servers there are for a plan, and what is known of them."""
    units = len(units_of(plan))
    idle = f", of which {units} can work at once: one a shot" if servers > units else ""
    line = ("server", asked) if servers == 1 else ("servers", f"{servers}{idle}; {asked}")
    return replace(known, details=(*known.details, line))


def estimate(plan: Plan, options: ComfyUIOptions, servers: int = 1) -> Estimate:
    """Time and memory from the classic table, between and beyond its rows in straight lines; the
    time of several servers as if they were equally fast.

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
    share = _busiest(plan, servers) / plan.made_frames
    low, high = share * low, share * high
    details = (("time", f"{low:.0f} to {high:.0f} s, the loading of models not counted"),)
    return Estimate((low + high) / 2, round(gib * 2**30), _SOURCE, details)


def _busiest(plan: Plan, servers: int) -> int:
    """Frames of the server that makes most, where each takes the next shot when it is free."""
    made = [0] * servers
    for unit in units_of(plan):
        heapreplace(made, made[0] + sum(plan.chunks[index].num_frames for index in unit))
    return max(made)


def _at(frames: int, column: int) -> float:
    """The table's value for `frames`: its first row below it, its last slope beyond it."""
    if frames <= _TABLE[0][0]:
        return float(_TABLE[0][column])
    rows = list(pairwise(_TABLE))
    below, above = next((pair for pair in rows if frames <= pair[1][0]), rows[-1])
    share = (frames - below[0]) / (above[0] - below[0])
    return below[column] + share * (above[column] - below[column])
