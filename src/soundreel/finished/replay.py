"""The request behind a finished video, from its .mp4 tags or its .json sidecar."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundreel.directing.crossfades import common_transition
from soundreel.directing.direct import seed_of
from soundreel.errors import InputError, mention
from soundreel.media.container import check_file, reason
from soundreel.record import TAG, read_record, request_from_record
from soundreel.registry import recall_options
from soundreel.types import Request, ShotRequest
from soundreel.video.reader import read_tags

_HINT = "give a video or a .json that soundreel wrote"


def replay_request(
    source: Path, audio: Path | None, image: Path | None, given: Collection[str] = ()
) -> Request:
    """`audio` and `image` say where the inputs lie now, if they moved; given: engine options that
    will be set anew. Raises InputError."""
    record = read_source(source)
    moved = {"audio": audio, "image": image}
    files = {
        name: moved.get(name) or _find(name, about["name"], source, record)
        for name, about in record.get("inputs", {}).items()
    }
    request = request_from_record(record, files)
    options = recall_options(request.engine, request.options, record["engine"], given, request.kind)
    own = _with_own_seeds(request)
    transition, shots = common_transition(own)
    return replace(request, options=options, shots=shots or request.shots, transition=transition)


def with_form(base: Request, changes: Mapping[str, object]) -> dict[str, object]:
    """`changes` of a replayed request, and what must change with them: a new name or container
    lets its own codec be chosen, another codec its own quality."""
    old, output = base.encoding, changes.get("output")
    named = "" if output is None else Path(str(output)).suffix.lower().removeprefix(".")
    alpha = changes.get("encoding.alpha", old.alpha)
    usual = named or (old.container if alpha == old.alpha else None)
    container = changes.get("encoding.container", usual)
    implied: dict[str, object] = {}
    if (container, alpha) != (old.container, old.alpha):
        implied |= {"encoding.container": container if not named else None, "encoding.codec": None}
    codec = changes.get("encoding.codec", implied.get("encoding.codec", old.codec))
    if codec != old.codec or (alpha and container != old.container) or alpha != old.alpha:
        implied["encoding.crf"] = None
    return {**implied, **changes}


def _with_own_seeds(request: Request) -> tuple[ShotRequest, ...]:
    """Seeds that came of the request's follow it again, should that be set anew."""
    return tuple(
        replace(shot, seed=None) if shot.seed == seed_of(request.seed, index) else shot
        for index, shot in enumerate(request.shot_list)
    )


def read_source(source: Path) -> dict[str, Any]:
    """The record of a video, or of its sidecar. Raises InputError."""
    if source.suffix.lower() != ".json":
        return read_record(read_tags(source).get(TAG, ""), source)
    check_file(source, hint=_HINT)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"cannot read {source}: {reason(err)}", hint=_HINT) from err
    return read_record(text, source)


def _find(name: str, file_name: str, source: Path, record: Mapping[str, Any]) -> Path:
    """Where the sidecar says it lay, beside the video, or in the current folder."""
    noted = record.get("files", _noted(source)).get(name)
    places = [Path(noted)] if noted else []
    places += [source.parent / file_name, Path(file_name)]
    for place in places:
        if _is_file(place):
            return place
    raise InputError(
        f"{file_name}, which {source.name} was made from, is not to be found",
        hint=f"put it beside the video, or name it: {mention('audio')}, {mention('image')}",
    )


def _noted(video: Path) -> Mapping[str, Any]:
    """What the sidecar beside a video says of its files; nothing where it is gone or another's."""
    try:
        files: Mapping[str, Any] = read_source(video.with_suffix(".json")).get("files", {})
        return files
    except InputError:
        return {}


def _is_file(place: Path) -> bool:
    """False too for a name that no file can have, or in a folder that may not be read."""
    try:
        return place.is_file()
    except OSError:
        return False
