"""From what was asked for to shots on the frame grid: each with its prompt, image and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import floor
from pathlib import Path
from typing import TypeVar

from soundreel.audio.structure.cuts import propose_cuts
from soundreel.audio.structure.describe import Structure, describe
from soundreel.directing.crossfades import CUT, with_crossfades, with_transitions
from soundreel.directing.hand_out import hand_out, read_images, read_prompts
from soundreel.directing.shot_list import named, read_shot_list, require_in_order
from soundreel.directing.spans import prompts_of, read_prompt
from soundreel.directing.turns import with_turns
from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.options.shot_request import ShotRequest
from soundreel.timeline.grid import format_clock, format_seconds, frame_time
from soundreel.types import DEFAULT_PROMPT, AudioClip, Request, Shot

Value = TypeVar("Value")

_SEEDS = 2**31


def read_direction(request: Request, control: RunControl) -> Request:
    """The request with the files that direct it read: from here on it says all by itself.

    Raises InputError.
    """
    request = with_turns(request, control)
    if isinstance(request.shots, Path):
        request = replace(request, shots=read_shot_list(request.shots))
    request = replace(request, images=read_images(request.images))
    if isinstance(request.prompts, Path):
        prompt, prompts = read_prompts(request.prompts, request.prompt)
        request = replace(request, prompt=prompt, prompts=prompts)
    own = [shot.prompt for shot in request.shot_list if shot.prompt is not None]
    for text in (request.prompt, *_listed(request.prompts), *own):
        read_prompt(text, "")
    for take in (take for shot in request.shot_list for take in shot.takes.values()):
        if take.prompt is not None and read_prompt(take.prompt, "").spans:
            raise InputError.about(
                {"shots.takes": take.prompt}, "prompts in time are those of a shot, not of a part"
            )
    return request


def direct(
    request: Request, clip: AudioClip, num_frames: int, fps: Fraction, control: RunControl
) -> tuple[Request, tuple[Shot, ...]]:
    """The shots of a clip, and the request with just these, every seed, end and transition
    written down.

    clip: the sound of `num_frames` pictures at `fps`. A list may say more than the clip shows; what
    lies outside is left out. Raises InputError for gaps, overlaps, shots of no picture, and
    crossfades that do not fit.
    """
    heard = cache(lambda: describe(clip, control))
    asked = hand_out(request, _asked(request, clip, heard), heard)
    for name, things in (("images", request.images), ("prompts", _listed(request.prompts))):
        if len(things) > len(asked):
            words = f"{len(things) - len(asked)} of {len(things)} {name} are not used"
            control.emit(Notice(f"{words}: there are {len(asked)} shots"))
    request = replace(request, images=(), prompts=(), by_section=False)
    if request.shots == "none" and asked == (ShotRequest(start=clip.start),):
        if request.transition != CUT:
            control.emit(
                Notice(f"{mention(transition=request.transition)}: there is one shot only")
            )
        return request, (_shot(request, asked[0], 0, range(num_frames), clip, fps, control),)
    require_in_order(asked)
    asked = _with_seeds(_closed(asked, clip, fps), request.seed)
    frames = _on_the_grid(asked, clip, num_frames, fps, control)
    shots = [
        _shot(request, shot, index, span, clip, fps, control)
        for index, (shot, span) in enumerate(frames)
    ]
    listed = with_transitions([shot for shot, _ in frames], request.transition)
    request = replace(request, shots=listed, transition=CUT)
    return request, with_crossfades(shots, listed, fps, control)


def _listed(prompts: Path | tuple[str, ...]) -> tuple[str, ...]:
    return prompts if isinstance(prompts, tuple) else ()


def _asked(
    request: Request, clip: AudioClip, heard: Callable[[], Structure]
) -> tuple[ShotRequest, ...]:
    """The list, or the shots that the sound suggests, or one over the whole clip."""
    if request.shot_list:
        return request.shot_list
    cuts = propose_cuts(heard(), *request.shot_length) if request.shots == "auto" else ()
    inside = (cut for cut in cuts if clip.start < cut < clip.sound_end)
    return tuple(ShotRequest(start=time) for time in (clip.start, *inside))


def seed_of(seed: int, index: int) -> int:
    """The seed of shot `index` of a list where it has none of its own."""
    if index == 0:
        return seed
    digest = hashlib.sha256(f"{seed} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _SEEDS


def _with_seeds(asked: tuple[ShotRequest, ...], seed: int) -> tuple[ShotRequest, ...]:
    """None stays None as long as the request's own is not drawn."""
    if seed < 0:
        return asked
    return tuple(
        replace(shot, seed=seed_of(seed, index)) if shot.seed is None else shot
        for index, shot in enumerate(asked)
    )


def _closed(
    asked: tuple[ShotRequest, ...], clip: AudioClip, fps: Fraction
) -> tuple[ShotRequest, ...]:
    """Every shot but the last with its end. InputError where the clip is not covered, to half a
    picture."""
    first, last, half = asked[0], asked[-1], 1 / (2 * fps)
    if first.start - clip.start > half:
        raise _uncovered(clip.start, first.start, named(first, 0))
    if last.end is not None and clip.sound_end - last.end > half:
        raise _uncovered(last.end, clip.sound_end, named(last, len(asked) - 1))
    ends = [after.start for after in asked[1:]]
    return (
        *(replace(shot, end=end) for shot, end in zip(asked[:-1], ends, strict=True)),
        last,
    )


def _uncovered(start: Fraction, end: Fraction, beside: str) -> InputError:
    return InputError(
        f"no shot is listed from {format_clock(start)} to {format_clock(end)}, beside {beside}",
        hint="let the first shot start where the video does, and leave the last one's `end` out",
        fields={"shots": format_clock(start)},
        rule="shots cover the whole video",
    )


def _on_the_grid(
    asked: tuple[ShotRequest, ...],
    clip: AudioClip,
    num_frames: int,
    fps: Fraction,
    control: RunControl,
) -> list[tuple[ShotRequest, range]]:
    """The shots that the clip shows, with their pictures. InputError for one without any."""
    cuts = [_nearest(shot.start, clip, fps) for shot in asked]
    borders = [min(max(cut, 0), num_frames) for cut in cuts] + [num_frames]
    borders[0] = 0
    found = []
    for index, (shot, (first, end)) in enumerate(zip(asked, pairwise(borders), strict=True)):
        if first < end:
            found.append((shot, range(first, end)))
        elif 0 < cuts[index] < num_frames:
            raise InputError(
                f"{named(shot, index)} is shorter than a picture: the engine makes "
                f"{format_seconds(fps)} a second",
                hint="take it out, or make it longer",
                fields={"shots": format_clock(shot.start)},
                rule="a shot holds a picture",
            )
    _tell(asked, found, clip, fps, control)
    return found


def _nearest(time: Fraction, clip: AudioClip, fps: Fraction) -> int:
    """The picture that begins nearest to a second of the file; halves go up."""
    return floor((time - clip.start) * fps + Fraction(1, 2))


def _tell(
    asked: Sequence[ShotRequest],
    found: Sequence[tuple[ShotRequest, range]],
    clip: AudioClip,
    fps: Fraction,
    control: RunControl,
) -> None:
    moved = [abs(clip.start + frame_time(span.start, fps) - shot.start) for shot, span in found[1:]]
    off = [distance for distance in moved if distance]
    if off:
        most = floor(max(off) * 1000 + Fraction(1, 2))
        control.emit(
            Notice(
                f"{len(off)} of {len(moved)} cuts moved by up to {most} ms, to where a picture "
                f"of the engine begins ({format_seconds(fps)} a second)"
            )
        )
    if left := len(asked) - len(found):
        words = "1 shot of the list lies" if left == 1 else f"{left} shots of the list lie"
        control.emit(Notice(f"{words} outside of the video"))


def _shot(
    request: Request,
    asked: ShotRequest,
    index: int,
    frames: range,
    clip: AudioClip,
    fps: Fraction,
    control: RunControl,
) -> Shot:
    plain = read_prompt(request.prompt, DEFAULT_PROMPT)
    prompt = plain if asked.prompt is None else read_prompt(asked.prompt, plain.plain)
    first, changes, moved = prompts_of(prompt, frames, clip.start, fps)
    for time in moved:
        control.emit(
            Notice(f"the prompt of {format_clock(time)} changes at the cut, which is near")
        )
    return Shot(
        index,
        frames.start,
        len(frames),
        prompt=first,
        negative_prompt=_either(asked.negative_prompt, request.negative_prompt),
        image=_either(asked.image, request.image),
        seed=_either(asked.seed, request.seed),
        changes=changes,
        options=asked.options,
        takes=asked.takes,
        faces=asked.faces,
    )


def _either(own: Value | None, general: Value) -> Value:
    return general if own is None else own
