"""Shots that give way to the next by a crossfade: each is longer by half of it on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import floor

from soundreel.directing.shot_list import named
from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.options.texts import crossfade_seconds
from soundreel.timeline.grid import format_seconds
from soundreel.types import Shot, ShotRequest

CUT = "cut"


def with_transitions(shots: Sequence[ShotRequest], general: str) -> tuple[ShotRequest, ...]:
    """The list with what the request says of all transitions written down; a video begins with its
    first shot, which has none."""
    if general == CUT:
        return tuple(shots)
    return (
        *shots[:1],
        *(replace(shot, transition=shot.transition or general) for shot in shots[1:]),
    )


def common_transition(shots: Sequence[ShotRequest]) -> tuple[str, tuple[ShotRequest, ...]]:
    """The reverse of `with_transitions`, where all are of one kind: it can then be set anew."""
    said = {shot.transition for shot in shots[1:]}
    if len(said) != 1 or None in said:
        return CUT, tuple(shots)
    return str(said.pop()), (*shots[:1], *(replace(shot, transition=None) for shot in shots[1:]))


def with_crossfades(
    shots: Sequence[Shot], listed: Sequence[ShotRequest], fps: Fraction, control: RunControl
) -> tuple[Shot, ...]:
    """Adjoining shots, longer by half of each crossfade at the cuts that are one.

    A half is a whole number of pictures. Raises InputError where a crossfade is shorter than two
    of them, longer than half of a shot beside it, or between two speakers.
    """
    halves = [0]
    for index in range(1, len(shots)):
        seconds = crossfade_seconds(listed[index].transition)
        halves.append(_half(seconds, index, shots, listed, fps) if seconds else 0)
    _tell(listed, halves, fps, control)
    return tuple(
        replace(
            shot,
            start_frame=shot.start_frame - before,
            num_frames=before + shot.num_frames + after,
            fade_in=2 * before,
            fade_out=2 * after,
        )
        for shot, (before, after) in zip(shots, pairwise([*halves, 0]), strict=True)
    )


def _half(
    seconds: Fraction,
    index: int,
    shots: Sequence[Shot],
    listed: Sequence[ShotRequest],
    fps: Fraction,
) -> int:
    """Pictures by which the shots beside the cut before shot `index` become longer."""
    where, text = named(listed[index], index), format_seconds(seconds)
    before, after = listed[index - 1].speaker, listed[index].speaker
    if before != after:
        raise _wrong(
            listed[index],
            f"no crossfade into {where}: one sound drives both faces while they are mixed, and "
            f"{after or 'nobody'} speaks after {before or 'nobody'}",
            hint=f"cut hard between speakers: {mention(transition=CUT)}",
        )
    half = floor(seconds * fps / 2 + Fraction(1, 2))
    if half == 0:
        raise _wrong(
            listed[index],
            f"a crossfade of {text} s is shorter than two pictures of the engine, which makes "
            f"{format_seconds(fps)} a second",
            hint=f"choose {format_seconds(2 / fps)} s or more, or {mention(transition=CUT)}",
        )
    shorter = min((index - 1, index), key=lambda number: shots[number].num_frames)
    most = shots[shorter].num_frames // 4 * 2 / fps
    if 2 * half / fps > most:
        length = format_seconds(shots[shorter].num_frames / fps)
        raise _wrong(
            listed[index],
            f"the crossfade of {text} s into {where} is longer than half of shot {shorter + 1}, "
            f"which lasts {length} s",
            hint=f"choose at most {format_seconds(most)} s, or longer shots"
            if most
            else f"make that shot longer, or {mention(transition=CUT)}",
        )
    return half


def _tell(
    listed: Sequence[ShotRequest], halves: Sequence[int], fps: Fraction, control: RunControl
) -> None:
    asked = [crossfade_seconds(shot.transition) for shot in listed]
    lengths = [2 * half / fps for half in halves]
    moved = {(a, b) for a, b, half in zip(asked, lengths, halves, strict=True) if half and a != b}
    for wanted, length in sorted(moved):
        control.emit(
            Notice(
                f"crossfades of {format_seconds(wanted)} s last {format_seconds(length)} s: whole "
                f"pictures of the engine on both sides of the cut"
            )
        )


def _wrong(shot: ShotRequest, message: str, hint: str) -> InputError:
    return InputError(
        message,
        hint=hint,
        fields={"transition": shot.transition},
        rule="a crossfade lasts at most half of the shots beside it",
    )
