"""A picture that a video shall end with stands where the engine's last pass ends."""

from __future__ import annotations

from soundreel.errors import InputError, mention
from soundreel.types import ImageRequest, Plan


def require_ends(plan: Plan) -> None:
    """Raises InputError where a picture is given for the end and the plan cannot end with it."""
    request = plan.request
    if not isinstance(request, ImageRequest) or request.last_picture is None:
        return
    grid, head = plan.geometry.grid, plan.geometry.head_frames
    if over := (plan.num_frames - head) % grid:
        before = max(plan.num_frames - over, grid + head)
        raise InputError.about(
            {"num_frames": plan.num_frames},
            f"with a picture to end with, engine {request.engine} makes {grid}n + {head} frames",
            hint=f"give {mention(num_frames=before)} or {before + grid}",
        )
    if request.first_picture is None and len(plan.chunks) > 1:
        raise InputError.about(
            {"num_frames": plan.num_frames},
            f"it takes {len(plan.chunks)} passes, each of which goes on from the one before it: "
            "the first needs a picture to begin with",
            hint=f"give both pictures, or at most {plan.geometry.chunk_frames + head} frames",
        )
