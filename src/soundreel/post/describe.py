"""What is done to the engine's pictures, in sentences for the user."""

from __future__ import annotations

from collections.abc import Iterator

from soundreel.errors import mention
from soundreel.media.image import load_image
from soundreel.post.picture import same_shape
from soundreel.timeline.grid import format_seconds
from soundreel.timeline.plan import AUTO
from soundreel.types import ImageRequest, Plan, Size


def describe(plan: Plan) -> list[str]:
    """What was chosen for the user, who asked for the result only."""
    return [text for text in (_rate(plan), _size(plan), *_given(plan), _draft(plan)) if text]


def _rate(plan: Plan) -> str:
    if plan.request.interpolate != AUTO or plan.interpolation.factor == 1:
        return ""
    made, wanted = format_seconds(plan.fps), format_seconds(plan.output_fps)
    return (
        f"engine {plan.request.engine} makes {made} pictures a second: those for {wanted} are made "
        f"between them by {plan.interpolation.method}"
    )


_FITS = {
    "crop": "cropped",
    "pad": "set between black bars",
    "blur": "set on a blurred copy of itself",
}


def _size(plan: Plan) -> str:
    drawn, wanted = plan.drawn_size, plan.request.output_size
    if drawn == wanted:
        return ""
    how = "" if same_shape(drawn, wanted) else f" and {_FITS[plan.request.fit_output]}"
    return f"engine {plan.request.engine} draws {drawn}: the pictures are scaled to {wanted}{how}"


def _given(plan: Plan) -> Iterator[str]:
    """Of pictures that the video itself shows."""
    request = plan.request
    if not isinstance(request, ImageRequest):
        return
    for path in request.pictures:
        height, width = load_image(path).shape[:2]
        if not same_shape(Size(width, height), plan.drawn_size):
            how = _FITS[request.fit_output]
            yield f"{path.name} is {width}x{height}: {how}, for {plan.drawn_size}"


def _draft(plan: Plan) -> str:
    if not plan.request.draft:
        return ""
    whole = Size(plan.request.width, plan.request.height)
    return (
        f"draft: {plan.request.output_size} with a mark in the picture; without "
        f"{mention(draft=True)} it is {whole}"
    )
