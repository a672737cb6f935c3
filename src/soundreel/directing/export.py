"""The shots of a plan for editing programs: OTIO, EDL, CSV; beats as markers.

Times are those of the video. Formats: OpenTimelineIO's JSON (opentimelineio.readthedocs.io, file
format specification), CMX 3600 edit decision lists (SMPTE 258M), CSV with a line of names.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from soundreel.directing.written import shot_list_text
from soundreel.errors import InputError
from soundreel.timeline.grid import format_seconds
from soundreel.timeline.pieces import crossfade_into
from soundreel.timeline.rates import outputs_of_shot
from soundreel.types import Plan, Shot

HOUR = 3600
"""Where a reel begins by custom: seconds."""

_MOST_EVENTS = 999


def edl(plan: Plan, media: str, beats: Sequence[Fraction]) -> str:
    """media: the video's name. Raises InputError where the format cannot say it."""
    rate = _timecode_rate(plan.output_fps)
    if len(plan.shots) > _MOST_EVENTS:
        raise InputError(
            f"an EDL holds {_MOST_EVENTS} shots, not {len(plan.shots)}", hint="write .otio or .csv"
        )
    lines = [f"TITLE: {Path(media).stem}", "FCM: NON-DROP FRAME"]
    for number, shot in enumerate(plan.shots, 1):
        frames = range(crossfade_into(plan, shot).start, _end_of(plan, shot))
        if shot.fade_in:  # an event of two lines: where the shot before ends, then the dissolve
            length = len(crossfade_into(plan, shot))
            none = range(frames.start, frames.start)
            lines += ["", _event(number, "C    ", none, rate)]
            lines += [_event(number, f"D {length:03}", frames, rate)]
            lines += [f"* FROM CLIP NAME: {media}", f"* TO CLIP NAME: {media}"]
        else:
            lines += ["", _event(number, "C    ", frames, rate), f"* FROM CLIP NAME: {media}"]
        lines += [f"* COMMENT: {_one_line(shot.prompt)}"]
        inside = (beat for beat in map(_frame_of(plan), beats) if beat in frames)
        lines += [f"* LOC: {_timecode(rate * HOUR + beat, rate)} GREEN   BEAT" for beat in inside]
    return "\r\n".join(lines) + "\r\n"


def _end_of(plan: Plan, shot: Shot) -> int:
    """Where the next shot begins to be seen, or the video ends."""
    after = plan.shots[shot.index + 1 : shot.index + 2]
    return crossfade_into(plan, after[0]).start if after else plan.output_frames


def _event(number: int, transition: str, frames: range, rate: int) -> str:
    """The same stretch of the video as source, from 0, and as record, from an hour on."""
    ends = [frames.start, frames.stop]
    times = [_timecode(frame, rate) for frame in [*ends, *(rate * HOUR + end for end in ends)]]
    return f"{number:03}  AX       B     {transition}    {' '.join(times)}"


def table(plan: Plan, media: str, beats: Sequence[Fraction]) -> str:
    """A row for each shot, then for each crossfade, then for each beat. CSV."""
    del media
    out = io.StringIO()
    names = ("kind", "number", "start_s", "end_s", "sound_s", "first_frame", "frames")
    writer = csv.DictWriter(out, (*names, "seed", "image", "prompt", "negative_prompt"))
    writer.writeheader()
    for number, shot in enumerate(plan.shots, 1):
        writer.writerow(_shot_row(plan, shot, number))
    fades = [crossfade_into(plan, shot) for shot in plan.shots if shot.fade_in]
    for number, frames in enumerate(fades, 1):
        writer.writerow({"kind": "crossfade", "number": number, **_times(plan, frames)})
    for number, beat in enumerate(beats, 1):
        times = {"start_s": _seconds(beat), "sound_s": _seconds(plan.audio.start + beat)}
        first = _frame_of(plan)(beat)
        writer.writerow({"kind": "beat", "number": number, "first_frame": first, **times})
    return out.getvalue()


def otio(plan: Plan, media: str, beats: Sequence[Fraction]) -> str:
    """A track of clips that are parts of the video, and a track of its sound."""
    rate, whole = plan.output_fps, range(plan.output_frames)
    pictures: list[dict[str, Any]] = []
    for number, shot in enumerate(plan.shots, 1):
        pictures += [_dissolve(plan, shot)] if shot.fade_in else []
        pictures.append(_clip(plan, shot, number, media))
    sound = _part(f"{Path(media).stem} sound", whole, rate, media, whole)
    markers = [_marker(beat, rate) for beat in map(_frame_of(plan), beats)]
    tracks = [_track("Shots", "Video", pictures, markers), _track("Sound", "Audio", [sound], [])]
    stack = _item("Stack.1", "tracks", children=tracks)
    timeline = {"OTIO_SCHEMA": "Timeline.1", "name": Path(media).stem, "metadata": {}}
    return json.dumps({**timeline, "global_start_time": None, "tracks": stack}, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Plan, str, Sequence[Fraction]], str]] = {
    ".otio": otio,
    ".edl": edl,
    ".csv": table,
}
"""By the suffix of the file. (plan, the video's name, seconds of the beats in it)."""

SUFFIXES = (".toml", *FORMATS)


def export(plan: Plan, path: Path, media: str, beats: Sequence[Fraction]) -> str:
    """What `path` shall hold, by its suffix. Raises InputError."""
    if path.suffix == ".toml":
        return shot_list_text(plan, path)
    return FORMATS[path.suffix](plan, media, beats)


def _frame_of(plan: Plan) -> Callable[[Fraction], int]:
    """The picture of the file that shows a second of the video."""
    return lambda time: int(time * plan.output_fps)


def _seconds(time: Fraction) -> str:
    return format_seconds(time)


def _shot_row(plan: Plan, shot: Shot, number: int) -> dict[str, object]:
    return {
        "kind": "shot",
        "number": number,
        **_times(plan, outputs_of_shot(plan, shot)),
        "seed": shot.seed,
        "image": "" if shot.image is None else shot.image.name,
        "prompt": _one_line(shot.prompt),
        "negative_prompt": _one_line(shot.negative_prompt),
    }


def _times(plan: Plan, frames: range) -> dict[str, object]:
    start, end = frames.start / plan.output_fps, frames.stop / plan.output_fps
    return {
        "start_s": _seconds(start),
        "end_s": _seconds(end),
        "sound_s": _seconds(plan.audio.start + start),
        "first_frame": frames.start,
        "frames": len(frames),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _timecode_rate(fps: Fraction) -> int:
    """Frames that a second of timecode counts; 30 at 30000/1001 too, without dropping any."""
    for rate in (fps, fps * 1001 / 1000):
        if rate.denominator == 1:
            return int(rate)
    raise InputError(
        f"an EDL counts whole frames a second, and the video has {format_seconds(fps)}",
        hint="write .otio or .csv, or choose another rate",
    )


def _timecode(frame: int, rate: int) -> str:
    seconds, frames = divmod(frame, rate)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}:{frames:02}"


def _clip(plan: Plan, shot: Shot, number: int, media: str) -> dict[str, Any]:
    clip = _part(
        f"shot {number}", outputs_of_shot(plan, shot), plan.output_fps, media,
        range(plan.output_frames),
    )  # fmt: skip
    said = {"prompt": shot.prompt, "seed": shot.seed}
    return {**clip, "metadata": {"soundreel": said}}


def _dissolve(plan: Plan, shot: Shot) -> dict[str, Any]:
    """Between two clips, which meet at the cut: how far it reaches into either."""
    fade, cut = crossfade_into(plan, shot), outputs_of_shot(plan, shot).start
    return {
        "OTIO_SCHEMA": "Transition.1",
        "name": "crossfade",
        "metadata": {},
        "transition_type": "SMPTE_Dissolve",
        "in_offset": _time(cut - fade.start, plan.output_fps),
        "out_offset": _time(fade.stop - cut, plan.output_fps),
    }


def _part(name: str, frames: range, rate: Fraction, media: str, available: range) -> dict[str, Any]:
    reference = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "name": media,
        "target_url": media,
        "available_range": _time_range(available, rate),
        "metadata": {},
    }
    clip = _item("Clip.1", name, media_reference=reference)
    return {**clip, "source_range": _time_range(frames, rate)}


def _marker(frame: int, rate: Fraction) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "name": "beat",
        "color": "GREEN",
        "marked_range": _time_range(range(frame, frame), rate),
        "metadata": {},
    }


def _track(
    name: str, kind: str, children: list[dict[str, Any]], markers: list[dict[str, Any]]
) -> dict[str, Any]:
    return {**_item("Track.1", name, children=children, kind=kind), "markers": markers}


def _item(schema: str, name: str, **more: object) -> dict[str, Any]:
    common: dict[str, Any] = {"name": name, "metadata": {}, "effects": [], "markers": []}
    return {"OTIO_SCHEMA": schema, **common, "enabled": True, "source_range": None, **more}


def _time_range(frames: range, rate: Fraction) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": _time(frames.start, rate),
        "duration": _time(len(frames), rate),
    }


def _time(value: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(value)}
