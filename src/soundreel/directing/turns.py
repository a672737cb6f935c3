"""Shots that show who speaks: one visible face at a time, driven by its own voice alone; or one
shot of all faces (`faces`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from soundreel.directing.faces import regions_of, require_tracks, shot_of_faces
from soundreel.directing.tracks import turns_of_tracks
from soundreel.directing.turn_files import Turn, read_turns
from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.options.shot_request import ShotRequest
from soundreel.timeline.grid import format_clock
from soundreel.types import Region, Request, Span

_MOST_TOLD = 20


def with_turns(request: Request, control: RunControl) -> Request:
    """The request with its turns and its cast made a list of shots. Raises InputError."""
    if request.turns is None:
        if request.cast:
            raise InputError.about(
                {"cast": list(request.cast)}, f"say who speaks when: {mention(turns='FILE')}"
            )
        return request
    if request.shots != "none":
        raise InputError(
            f"{mention('turns')} and {mention('shots')} both say where the cuts are",
            hint="leave one of them out",
            fields={"turns": request.turns},
            rule="one of them cuts the video",
        )
    regions = regions_of(request.cast)
    shots = (_one_shot(request, regions),) if regions else _cut(request, control)
    return replace(request, turns=None, cast={}, shots=shots)


def _one_shot(request: Request, regions: Mapping[str, Region]) -> ShotRequest:
    """All faces in one picture."""
    turns: Sequence[Turn] = ()
    if isinstance(request.turns, Path):
        turns = read_turns(request.turns)
        _require_cast(turns, regions)
    if request.tracks or not turns:
        require_tracks(request.tracks, list(regions))
        turns = ()  # in whose own track nobody else is heard
    return shot_of_faces(turns, regions)


def _cut(request: Request, control: RunControl) -> tuple[ShotRequest, ...]:
    """One face at a time."""
    pictures = {name: each for name, each in request.cast.items() if isinstance(each, Path)}
    shots = shots_of_turns(_turns(request, control), pictures, request.shot_length[0], control)
    if request.tracks:  # where nobody else is heard
        shots = tuple(replace(shot, silent=()) for shot in shots)
    return shots


def _turns(request: Request, control: RunControl) -> tuple[Turn, ...]:
    if isinstance(request.turns, Path):
        return read_turns(request.turns)
    if not request.tracks:
        raise InputError.about(
            {"turns": "tracks"}, f"give each speaker's track: {mention(drive='anna=anna.wav')}"
        )
    return turns_of_tracks(request.tracks, control, allow_truncated=request.allow_truncated)


def shots_of_turns(
    turns: Sequence[Turn], cast: Mapping[str, Path], least: Fraction, control: RunControl
) -> tuple[ShotRequest, ...]:
    """A shot for each turn, from where its speaker begins to where the next one does; the first
    begins with the sound file.

    turns: by their starts. cast: the picture of each speaker. A shot of less than `least` seconds
    joins a neighbour, which is told; what others say in a shot is silence to its face.
    Raises InputError for overlaps, and for speakers without pictures and pictures without speakers.
    """
    _require_cast(turns, cast)
    _require_one_at_a_time(turns)
    shown = _long_enough(_joined(turns), least)
    _tell(turns, shown, least, control)
    starts = [Fraction(0), *(turn.start for turn in shown[1:])]
    ends = [*starts[1:], None]
    return tuple(
        ShotRequest(
            start=start,
            image=cast[turn.speaker],
            speaker=turn.speaker,
            silent=_of_others(turns, turn.speaker, start, end),
        )
        for turn, start, end in zip(shown, starts, ends, strict=True)
    )


def _require_cast(turns: Sequence[Turn], cast: Mapping[str, Path | Region]) -> None:
    for turn in turns:
        if turn.speaker not in cast:
            known = f"there is one of {', '.join(cast)}" if cast else "no picture is given"
            raise InputError(
                f"{turn.place}: no picture for speaker {turn.speaker!r}: {known}",
                hint=f"give one: {mention(cast=f'{turn.speaker}=FILE')}",
                fields={"cast": turn.speaker},
                rule="every speaker has a picture",
            )
    speakers = dict.fromkeys(turn.speaker for turn in turns)
    for name in cast:
        if name not in speakers:
            raise InputError.about(
                {"cast": name}, f"nobody of that name speaks: there are {', '.join(speakers)}"
            )


def _require_one_at_a_time(turns: Sequence[Turn]) -> None:
    """Whoever spoke last until then counts, be it several turns ago."""
    last = turns[0]
    for turn in turns[1:]:
        if turn.start < last.end and turn.speaker != last.speaker:
            raise InputError(
                f"{turn.place}: {turn.speaker} speaks from {format_clock(turn.start)}, before "
                f"{last.speaker} ends at {format_clock(last.end)} ({last.place})",
                hint="end one turn where the other begins: one face is seen at a time",
                fields={"turns": format_clock(turn.start)},
                rule="one speaks at a time",
            )
        last = max(last, turn, key=lambda each: each.end)


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    """With turns of one speaker that follow each other made one."""
    found = [turns[0]]
    for turn in turns[1:]:
        if turn.speaker == found[-1].speaker:
            found[-1] = replace(found[-1], end=max(found[-1].end, turn.end))
        else:
            found.append(turn)
    return found


def _long_enough(turns: Sequence[Turn], least: Fraction) -> list[Turn]:
    """The shortest joins its longer neighbour, until none is too short. The pause after a turn
    counts as its own, since its shot goes on."""
    starts = [Fraction(0), *(turn.start for turn in turns[1:]), turns[-1].end]
    shown = [
        replace(turn, start=start, end=end)
        for turn, (start, end) in zip(turns, pairwise(starts), strict=True)
    ]
    while len(shown) > 1:
        index = min(range(len(shown)), key=lambda k: _length(shown[k]))
        if _length(shown[index]) >= least:
            break
        beside = [k for k in (index - 1, index + 1) if 0 <= k < len(shown)]
        longer = shown[max(beside, key=lambda k: _length(shown[k]))]
        shown[index] = replace(shown[index], speaker=longer.speaker)
        shown = _joined(shown)
    return shown


def _length(turn: Turn) -> Fraction:
    return turn.end - turn.start


def _tell(
    turns: Sequence[Turn], shown: Sequence[Turn], least: Fraction, control: RunControl
) -> None:
    """Which turns are heard while another face is seen."""
    hidden = [
        f"{turn.speaker} at {format_clock(turn.start)}"
        for turn in _joined(turns)
        if _seen_at(turn.start, shown) != turn.speaker
    ]
    if not hidden:
        return
    more = f" and {len(hidden) - _MOST_TOLD} more" if len(hidden) > _MOST_TOLD else ""
    control.emit(
        Notice(
            f"heard and not seen, in a shot of less than {format_clock(least)}: "
            f"{', '.join(hidden[:_MOST_TOLD])}{more}"
        )
    )


def _seen_at(time: Fraction, shown: Sequence[Turn]) -> str:
    return next(turn.speaker for turn in reversed(shown) if turn.start <= time)


def _of_others(
    turns: Sequence[Turn], speaker: str, start: Fraction, end: Fraction | None
) -> tuple[Span, ...]:
    """What others say within a shot."""
    return tuple(
        (turn.start, turn.end)
        for turn in _joined(turns)
        if turn.speaker != speaker and turn.start >= start and (end is None or turn.start < end)
    )
