"""Which pictures of the file come from which generated ones, at any rate.

Picture j of the file stands at j / output_fps. Counted in generated pictures that is j / factor,
between two of them or on one; the law that says which piece holds it is in whole numbers.
"""

from __future__ import annotations

import math
from fractions import Fraction

from soundreel.types import Chunk, Plan, Shot


def outputs_up_to(frame: int, factor: Fraction) -> range:
    """The pictures of the file after generated picture `frame - 1`, up to and with `frame`."""
    return range(math.floor((frame - 1) * factor) + 1, math.floor(frame * factor) + 1)


def outputs_at(frame: int, factor: Fraction) -> range:
    """The picture of the file that stands exactly at generated picture `frame`, if there is one:
    with it a shot begins, since nothing is made across its border."""
    return range(math.ceil(frame * factor), math.floor(frame * factor) + 1)


def outputs_after(frame: int, factor: Fraction, end: int) -> range:
    """The pictures of the file after `frame`, the last one of its shot, before the next shot
    begins, or the file ends with `end` pictures."""
    return range(math.floor(frame * factor) + 1, min(math.ceil((frame + 1) * factor), end))


def outputs_of(plan: Plan, chunk: Chunk) -> range:
    """The pictures of the file that the chunk makes of its shot: one that needs the first picture
    of the next chunk is made by that. Empty where the file's rate is so low that none falls in."""
    factor, shot = plan.interpolation.factor, plan.shots[chunk.shot]
    begins = chunk.start_frame == shot.start_frame
    first = outputs_at if begins else outputs_up_to
    last = outputs_up_to(chunk.end_frame - 1, factor).stop
    if plan.following(chunk) is None:
        last = outputs_after(chunk.end_frame - 1, factor, plan.output_frames).stop
    start = first(chunk.start_frame, factor).start
    return range(start, max(start, last))


def outputs_of_shot(plan: Plan, shot: Shot) -> range:
    """The pictures of the file that show the shot, from cut to cut."""
    factor = plan.interpolation.factor
    ends = (math.ceil(frame * factor) for frame in (shot.span.start, shot.span.stop))
    first, end = (min(frame, plan.output_frames) for frame in ends)
    return range(first, plan.output_frames if shot is plan.shots[-1] else end)


def shown_seconds(seconds: Fraction, rate: Fraction) -> Fraction:
    """How long the pictures are seen that show `seconds`: the last one stays its whole time."""
    return math.ceil(seconds * rate) / rate
