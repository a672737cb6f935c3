"""How long it takes to make the pictures between, and to bring all to the size of the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from soundreel.post.interpolate import FILM, FLOW, NETWORKS, RIFE
from soundreel.post.networks.kept import kept_paces, pace_name
from soundreel.timeline.grid import clock
from soundreel.types import Estimate, Plan

# Seconds a megapixel on two cores, measured at 832x1216 and 832x480 (docs/log.md).
_FLOW_OF_TWO, _FLOW_BETWEEN = 0.07, 0.042
"""For two neighbours, and for each picture between them."""
_ON_CPU = {FILM: 40.0, RIFE: 4.0}
_SCALING = 0.02

_MEASURED = "measured on two cores"


def with_post_time(estimate: Estimate, plan: Plan, work_dir: Path) -> Estimate:
    """The engine's estimate, and what is done to its pictures here."""
    for what, number, seconds, source in _parts(plan, work_dir):
        about = source if seconds is None else f"about {clock(seconds)} ({source})"
        details = (*estimate.details, (what, f"{number} pictures, {about}"))
        estimate = replace(_later(estimate, seconds or 0), details=details)
    return estimate


def _parts(plan: Plan, work_dir: Path) -> Iterator[tuple[str, int, float | None, str]]:
    """(what, number of pictures, seconds or None, where that is known from)"""
    chosen = plan.interpolation
    if chosen.factor != 1 and not chosen.by_engine:
        made = plan.output_frames - -(-plan.output_frames // chosen.factor.numerator)
        pairs, drawn = min(made, plan.num_frames), plan.drawn_size.area / 1e6
        if chosen.method == FLOW:
            seconds = drawn * (pairs * _FLOW_OF_TWO + made * _FLOW_BETWEEN)
            yield "optical flow", made, seconds, _MEASURED
        elif chosen.method in NETWORKS:
            pace, source = _network(chosen.method, work_dir)
            yield chosen.method.upper(), made, None if pace is None else made * drawn * pace, source
    if plan.scaled_from is not None:
        area = plan.request.output_size.area / 1e6
        yield "scaling", plan.output_frames, plan.output_frames * area * _SCALING, _MEASURED


def _network(method: str, work_dir: Path) -> tuple[float | None, str]:
    """Seconds for a megapixel."""
    if find_spec("torch") is None:
        return None, "which need torch, not installed here"
    from soundreel.post.networks.device import choose_device, driver_name

    device, kept = driver_name(choose_device()), kept_paces(work_dir)
    if (name := pace_name(method, device)) in kept:
        return kept[name], "as in the last job here"
    if device == "cpu":
        return _ON_CPU[method], _MEASURED
    return None, f"not measured on {device} yet: the first job here does it"


def _later(estimate: Estimate, more: float) -> Estimate:
    seconds, likely = estimate.seconds, estimate.likely_seconds
    return replace(
        estimate,
        seconds=None if seconds is None else seconds + more,
        likely_seconds=None if likely is None else (likely[0] + more, likely[1] + more),
    )
