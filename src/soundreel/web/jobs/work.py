"""What the children do: look at a file, make a plan, make a video.

Everything heavy is imported here, once, by the process that the children are forked from.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from soundreel import api, remake
from soundreel.audio.load import probe
from soundreel.audio.structure.peaks import peaks
from soundreel.config import Settings
from soundreel.documents.plans import plan_json
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.farm.child import Send
from soundreel.farm.shares import useful_hands
from soundreel.media.cover import load_cover
from soundreel.media.image import load_image
from soundreel.proof.check import check as prove
from soundreel.proof.report import draw
from soundreel.timeline.units import are_chunks_alone
from soundreel.types import Result
from soundreel.video.reader import probe_video, read_frames
from soundreel.web.asked.asked import Asked, make_request
from soundreel.web.asked.fields import TEXT_ENDINGS
from soundreel.web.jobs.gauge import Gauge
from soundreel.work.files import write_atomic

_LONGEST_TEXT = 1 << 20
_NICE = 5
_PEAKS_PER_SECOND = 100
_PEAKS = 800
"""Of a sound's waveform: more than a screen shows of it side by side."""


def look_at(arguments: Mapping[str, Any], control: RunControl, _send: Send) -> dict[str, Any]:
    """What kind of file `path` is, by decoding it: a sound, an image, a silent video, or a text
    that says who speaks or what is sung or seen. Raises InputError."""
    path = Path(arguments["path"])
    if path.suffix in TEXT_ENDINGS:
        return _text(path)
    try:
        height, width = load_image(path).shape[:2]
        return {"kind": "image", "width": int(width), "height": int(height)}
    except InputError as as_image:
        try:
            return _sound(path, control)
        except InputError as err:
            with suppress(InputError):
                return _silent_video(path)
            raise InputError(
                "it is neither a sound nor a picture that can be read",
                hint=f"{as_image.message}; {err.message}".replace(path.name, "it"),
                fields={"file": None},
                rule="a sound or a picture",
            ) from err


def _silent_video(path: Path) -> dict[str, Any]:
    about = probe_video(path)
    next(read_frames(path))
    return {"kind": "video", "width": about.width, "height": about.height}


def _sound(path: Path, control: RunControl) -> dict[str, Any]:
    """One that breaks off is taken, and told: a request may allow it. Raises InputError."""
    try:
        info, whole = probe(path, control=control), True
    except InputError:
        info, whole = probe(path, allow_truncated=True, control=control), False
    return {
        "kind": "sound",
        "whole": whole,
        "seconds": round(float(info.duration), 3),
        "rate": info.rate,
        "channels": info.channels,
        "has_cover": _has_cover(path),
        "peaks": peaks(info.clip, _PEAKS, control),
    }


def draw_peaks(arguments: Mapping[str, Any], control: RunControl, _send: Send) -> dict[str, Any]:
    """The fine waveform of a sound that was taken, a byte for each of many a second."""
    clip = probe(Path(arguments["path"]), allow_truncated=True, control=control).clip
    fine = peaks(clip, math.ceil(clip.duration * _PEAKS_PER_SECOND), control)
    write_atomic(Path(arguments["target"]), bytes(fine))
    return {}


def _has_cover(path: Path) -> bool:
    try:
        return load_cover(path) is not None
    except InputError:
        return False


def _text(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LONGEST_TEXT:
        raise InputError("the text is larger than 1 MiB", hint="give a shorter one")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise InputError("the text is not UTF-8", hint="save it as UTF-8") from err
    return {"kind": "text", "lines": len(lines)}


def plan(arguments: Mapping[str, Any], control: RunControl, _send: Send) -> dict[str, Any]:
    """The plan of `asked` (see `asked.Asked`), with the notices that it said on the way."""
    notices = list[str]()
    control.on_event = _keeping(notices)
    asked, settings = Asked.of(arguments["asked"]), Settings(**arguments["settings"])
    request = make_request(asked, _place(arguments["uploads"]))
    made, estimate = api.plan(request, settings, control)
    shared = {"hands": useful_hands(made, estimate), "parts_alone": are_chunks_alone(made)}
    return {**plan_json(made, estimate), **shared, "notices": notices}


def _keeping(notices: list[str]) -> Callable[[Event], None]:
    def keep(event: Event) -> None:
        if isinstance(event, Notice):
            notices.append(event.message)

    return keep


def make(arguments: Mapping[str, Any], control: RunControl, send: Send) -> dict[str, Any]:
    """The video, at the path `output`: by `api.generate`, or a part of another by `remake`."""
    os.environ.update(arguments.get("environ", {}))
    _yield_to_others()
    control.on_event = Gauge(send).hear
    settings, output = Settings(**arguments["settings"]), Path(arguments["output"])
    asked, again = Asked.of(arguments["asked"]), arguments.get("again")
    place = _place(arguments["uploads"])
    if again is None:
        request = replace(make_request(asked, place), output=output, thumbnail=True)
        return _told(api.generate(request, settings, control=control, check=asked.check))
    changes = dict(again["changes"])
    if "image" in changes:
        changes["image"] = place(changes["image"])
    result = remake.remake(
        Path(again["video"]),
        again.get("shot"),
        changes,
        settings,
        chunk=again.get("chunk"),
        output=output,
        control=control,
    )
    verdict = prove(result.path, None, control).document() if asked.check else None
    return _told(replace(result, check=verdict))


def _yield_to_others() -> None:
    """Who waits for an answer comes before who waits for a video."""
    if hasattr(os, "nice"):
        os.nice(_NICE)


def draw_report(arguments: Mapping[str, Any], control: RunControl, _send: Send) -> dict[str, Any]:
    """What the check measures, as PNG."""
    stored = BytesIO()
    draw(prove(Path(arguments["video"]), None, control)).save(stored, "PNG")
    write_atomic(Path(arguments["target"]), stored.getvalue())
    return {}


def _told(result: Result) -> dict[str, Any]:
    plan = result.plan
    return {
        "engine": plan.request.engine,
        "seed": plan.request.seed,
        "frames": plan.output_frames,
        "fps": str(plan.output_fps),
        "seconds": float(plan.audio.duration),
        "size": str(plan.request.output_size),
        "shots": len(plan.shots),
        "bytes": result.path.stat().st_size,
        "timings": {stage: round(took, 3) for stage, took in result.timings.items()},
        "resumed_chunks": result.resumed_chunks,
        "check": None if result.check is None else dict(result.check),
    }


def _place(uploads: Mapping[str, str]) -> Callable[[str], Path]:
    def place(upload: str) -> Path:
        if upload not in uploads:
            raise InputError(
                f"there is no upload {upload[:20]}...",
                hint="send the file again: those that no job needs are removed after some days",
                rule="the id of an upload",
            )
        return Path(uploads[upload])

    return place
