"""The shots of a plan as a table, with the part at which a prompt changes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from soundreel.cli.terminal.say import name
from soundreel.timeline.grid import format_clock, format_seconds, frame_time
from soundreel.types import Plan, Shot

_MOST = 40
_PROMPT_WIDTH = 32
"""What is left of 80 columns."""


def shot_lines(plan: Plan) -> list[str]:
    """Nothing for one shot of one prompt."""
    if len({chunk.prompt for chunk in plan.chunks}) == len(plan.shots) == 1:
        return []
    head = ["", "shot  starts at    length     parts  seed        prompt"]
    lines = [line for shot in plan.shots[:_MOST] for line in _shot(plan, shot)]
    more = len(plan.shots) - _MOST
    return head + lines + ([f"... and {more} more shots"] if more > 0 else [])


def _shot(plan: Plan, shot: Shot) -> Iterator[str]:
    chunks = [chunk for chunk in plan.chunks if chunk.shot == shot.index]
    start = format_clock(_time(plan, shot.span.start))
    length = _seconds(plan, len(shot.span))
    span = f"{chunks[0].index + 1}" + (f"-{chunks[-1].index + 1}" if len(chunks) > 1 else "")
    seed = "random" if shot.seed < 0 else str(shot.seed)
    prompt = _short(shot.prompt)
    yield f"{shot.index + 1:4}  {start:10}  {length:>8}  {span:>6}  {seed:10}  {prompt}".rstrip()
    if shot.fade_in:
        begin, seconds = format_clock(_time(plan, shot.start_frame)), _seconds(plan, shot.fade_in)
        yield f"{'':4}  {begin:10}  {seconds:>8}  crossfade from the shot before"
    if shot.image is not None:
        yield f"{'':4}  image {name(shot.image.name)}"
    for before, chunk in pairwise(chunks):
        if chunk.prompt != before.prompt:
            at = format_clock(_time(plan, chunk.start_frame))
            yield f"{'':4}  {at:10}  {'from':>8}  {chunk.index + 1:>6}  {'':10}  " + _short(
                chunk.prompt
            )
    full = min(plan.geometry.chunk_frames, sum(chunk.generated_frames for chunk in chunks))
    if chunks[0].generated_frames < full:
        made = chunks[0].generated_frames
        yield f"{'':4}  first part: {made} pictures, not {full}, since the prompt changes"


def _seconds(plan: Plan, frames: int) -> str:
    return f"{format_seconds(frame_time(frames, plan.fps))} s"


def _time(plan: Plan, frame: int) -> Fraction:
    return plan.audio.start + frame_time(frame, plan.fps)


def _short(prompt: str) -> str:
    text = name(" ".join(prompt.split()))
    return text if len(text) <= _PROMPT_WIDTH else f"{text[: _PROMPT_WIDTH - 3]}..."
