"""The request behind a finished video, from its .mp4 tags or its .json sidecar."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from soundreel import registry
from soundreel.errors import InputError, mention
from soundreel.record import TAG, request_from_record
from soundreel.types import Request
from soundreel.video.reader import read_tags


def replay_request(
    source: Path, audio: Path | None, image: Path | None, given: Collection[str] = ()
) -> Request:
    """`audio` and `image` say where the inputs lie now, if they moved; given: engine options that
    will be set anew. Raises InputError."""
    record = _read(source)
    moved = {"audio": audio, "image": image}
    files = {
        name: moved.get(name) or _find(name, about["name"], source, record)
        for name, about in record.get("inputs", {}).items()
    }
    request = request_from_record(record, files)
    engine = record.get("engine")
    if not isinstance(engine, Mapping):
        raise InputError(
            f"the record in {source} does not say what made it", hint="give the options by hand"
        )
    options = registry.recall_options(request.engine, request.options, engine, given)
    return replace(request, options=options)


def _read(source: Path) -> dict[str, Any]:
    try:
        found = source.is_file()
    except OSError as err:
        raise InputError(f"cannot read {source}: {err.strerror}", hint="check its name") from err
    if not found:
        raise InputError(f"no file {source}", hint="give a .mp4 or .json that soundreel wrote")
    if source.suffix.lower() == ".json":
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise InputError(
                f"cannot read {source}: {err}", hint="give a file that soundreel wrote"
            ) from err
    else:
        text = read_tags(source).get(TAG, "")
    try:
        record = json.loads(text)
    except ValueError as err:
        raise InputError(
            f"{source} holds no record of soundreel", hint="give a file that soundreel wrote"
        ) from err
    if not isinstance(record, dict) or "request" not in record:
        raise InputError(
            f"{source} holds no record of soundreel", hint="give a file that soundreel wrote"
        )
    return record


def _find(name: str, file_name: str, source: Path, record: Mapping[str, Any]) -> Path:
    """Where the sidecar says it lay, beside the video, or in the current folder."""
    noted = record.get("files", {}).get(name)
    places = [Path(noted)] if noted else []
    places += [source.parent / file_name, Path(file_name)]
    for place in places:
        if place.is_file():
            return place
    raise InputError(
        f"{file_name}, which {source.name} was made from, is not to be found",
        hint=f"put it beside the video, or name it: {mention('audio')}, {mention('image')}",
    )
