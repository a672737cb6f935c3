"""The sound that steers the engine, where it is another than the one that is heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from soundreel.audio.alignment import shift_between
from soundreel.audio.gate import quiet_spans
from soundreel.audio.load import probe
from soundreel.audio.mix import choose_mix
from soundreel.audio.silence import merged
from soundreel.directing.faces import silent_to, track_of
from soundreel.directing.shot_list import named
from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.options.texts import VOCALS
from soundreel.timeline.grid import format_seconds
from soundreel.types import AudioClip, Request, ShotRequest, Span

LEAST_SHIFT = Fraction(1, 100)
"""Seconds that nobody sees."""


def driving_sound(
    request: Request,
    heard: AudioClip,
    control: RunControl,
    vocals: Callable[[AudioClip], AudioClip],
) -> AudioClip | None:
    """The clip that steers the engine; None where it is the heard one itself. vocals: gives the
    voice in a clip.

    It is on the timeline of the heard file: second t of one goes with second t + `drive_offset` of
    the other. Where it ends early there is silence. Raises InputError.
    """
    others = _silent_in_shots(request)
    shots = request.shot_list
    own_tracks = request.tracks and shots and all(shot.faces for shot in shots)
    if own_tracks or (request.drive is None and request.gate is None and not others):
        return None
    clip = replace(heard, loudness=None)
    if request.tracks:
        clip = _by_shots(request, clip, control)
    elif isinstance(request.drive, Path):
        clip = _other(request, request.drive, clip, control)
    elif request.drive == VOCALS:
        clip = vocals(clip)
        clip = replace(clip, mix=choose_mix(clip, control))
    later = clip.start - heard.start
    silent = [(begin + later, end + later) for begin, end in others]
    if request.gate is not None:
        silent += _gated(clip, request.gate, control)
    return replace(clip, silent=merged(silent))


def voices(
    request: Request, heard: AudioClip, drive: AudioClip | None, control: RunControl
) -> dict[str, AudioClip]:
    """The clip of each speaker whose face is one of several, by name: the own track, or what they
    say of the driving sound. Raises InputError."""
    names = dict.fromkeys(face.name for shot in request.shot_list for face in shot.faces)
    found = dict[str, AudioClip]()
    for name in names:
        clip = drive or replace(heard, loudness=None)
        silent = list(clip.silent)
        if request.tracks:
            _require_own_clock(request)
            clip = _other(request, track_of(name, request.tracks), heard, control)
            silent = [] if request.gate is None else [*_gated(clip, request.gate, control)]
        later = clip.start - heard.start
        silent += [(begin + later, end + later) for begin, end in silent_to(request, name, heard)]
        found[name] = replace(clip, silent=merged(silent))
    return found


def _silent_in_shots(request: Request) -> list[Span]:
    """What the shots say, each within its own time."""
    shots = request.shot_list
    ends = [*(shot.start for shot in shots[1:]), *(shot.end for shot in shots[-1:])]
    return [
        (max(begin, shot.start), span_end if end is None else min(span_end, end))
        for shot, end in zip(shots, ends, strict=True)
        for begin, span_end in shot.silent
        if span_end > shot.start and (end is None or begin < end)
    ]


def _gated(clip: AudioClip, gate: float, control: RunControl) -> tuple[Span, ...]:
    spans = quiet_spans(clip, gate, control)
    first, last = clip.start, clip.start + clip.duration
    total = sum((min(end, last) - max(begin, first) for begin, end in spans), Fraction(0))
    control.emit(
        Notice(f"{format_seconds(round(total, 1))} s of the driving sound are made silent")
    )
    return spans


def _by_shots(request: Request, heard: AudioClip, control: RunControl) -> AudioClip:
    """Each shot's own track, from where the shot begins. Raises InputError."""
    _require_own_clock(request)
    for index, shot in enumerate(request.shot_list or (ShotRequest(start=heard.start),)):
        if _speaker(shot) not in request.tracks:
            who = "names no speaker" if shot.speaker is None else f"shows {shot.speaker!r}"
            raise InputError(
                f"{named(shot, index)} {who}: there are tracks of {', '.join(request.tracks)}",
                hint=f"say who speaks when: {mention(turns='tracks')}",
                fields={"drive": list(request.tracks)},
                rule="every shot has its speaker's track",
            )
    clips = {name: _other(request, path, heard, control) for name, path in request.tracks.items()}
    parts = tuple((shot.start, clips[str(_speaker(shot))]) for shot in request.shot_list)
    rate = max(clip.rate for clip in clips.values())
    return replace(parts[0][1], rate=rate, channels=1, layout="mono", mix=(), parts=parts)


def _speaker(shot: ShotRequest) -> str | None:
    """By whose track the shot as a whole is driven."""
    return shot.faces[0].name if shot.faces else shot.speaker


def _require_own_clock(request: Request) -> None:
    if request.drive_offset:
        raise InputError.about(
            {"drive_offset": request.drive_offset}, "speakers' tracks lie on the sound's own clock"
        )


def _other(request: Request, path: Path, heard: AudioClip, control: RunControl) -> AudioClip:
    info = probe(path, allow_truncated=request.allow_truncated, control=control)
    whole = info.clip
    offset = _offset(request, heard, whole, control)
    start = heard.start + offset
    sound = min(heard.sound_duration, whole.duration - start)
    if sound <= 0:
        raise InputError.about(
            {"drive": path},
            f"it ends at {format_seconds(whole.duration)} s, before the video begins",
            hint=f"choose an earlier start, or a {mention('drive_offset')}",
        )
    clip = replace(whole, start=start, duration=heard.duration, sound_duration=sound)
    if sound < heard.sound_duration:
        missing = format_seconds(heard.sound_duration - sound)
        control.emit(Notice(f"the driving sound ends {missing} s before the heard one: silence"))
    return replace(clip, mix=choose_mix(clip, control))


def _offset(request: Request, heard: AudioClip, whole: AudioClip, control: RunControl) -> Fraction:
    if isinstance(request.drive_offset, Fraction) and request.drive_offset:
        return request.drive_offset
    same = replace(
        whole,
        start=heard.start,
        duration=heard.duration,
        sound_duration=max(Fraction(0), min(heard.duration, whole.duration - heard.start)),
    )
    shift = shift_between(heard, same)
    if shift is None or abs(shift) <= LEAST_SHIFT:
        if shift is None and request.drive_offset == "auto":
            control.emit(Notice("the two sounds have nothing in common: taken as they lie"))
        return Fraction(0)
    later = "later" if shift > 0 else "earlier"
    text = f"the driving sound comes {round(abs(shift) * 1000)} ms {later} than the heard one"
    if request.drive_offset == "auto":
        control.emit(Notice(f"{text}: corrected"))
        return shift
    advice = "" if request.tracks else f": {mention(drive_offset='auto')} corrects it"
    control.emit(Notice(f"{text}{advice}"))
    return Fraction(0)
