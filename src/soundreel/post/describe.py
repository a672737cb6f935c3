"""What is done to the engine's pictures, in sentences for the user."""

from __future__ import annotations

from soundreel.timeline.grid import format_seconds
from soundreel.timeline.plan import AUTO
from soundreel.types import Plan


def describe(plan: Plan) -> list[str]:
    """What was chosen for the user, who asked for the result only."""
    return [text for text in (_rate(plan),) if text]


def _rate(plan: Plan) -> str:
    if plan.request.interpolate != AUTO or plan.interpolation.factor == 1:
        return ""
    made, wanted = format_seconds(plan.fps), format_seconds(plan.output_fps)
    return (
        f"engine {plan.request.engine} makes {made} pictures a second: those for {wanted} are made "
        f"between them by {plan.interpolation.method}"
    )
