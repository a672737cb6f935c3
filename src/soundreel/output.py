"""Where the video goes: its name, its way under the final name, its sidecar."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from soundreel.errors import InputError, WorkError, mention
from soundreel.safe.text import json_text
from soundreel.timeline.grid import format_seconds
from soundreel.types import Plan, Request
from soundreel.work.files import disk_errors, sync_folder, write_atomic

_MAX_STEM_BYTES = 100
"""File systems hold 255 bytes in a name, and a letter may take four."""


def output_name(plan: Plan, timestamp: str) -> str:
    """`{source}_{width}x{height}_{frames}f_{seconds}s_{with_ref|no_ref}_{tag}_{timestamp}.mp4`."""
    request = plan.request
    source = request.audio.stem
    while len(os.fsencode(source)) > _MAX_STEM_BYTES:
        source = source[:-1]
    source = source.lstrip("-.") or "sound"
    seconds = format_seconds(plan.audio.duration)
    reference = "no_ref" if request.image is None else "with_ref"
    return (
        f"{source}_{request.width}x{request.height}_{plan.num_frames}f_{seconds}s_"
        f"{reference}_{request.tag}_{timestamp}.mp4"
    )


def unused_path(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3`, … that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate


def check_target(path: Path, request: Request, *, overwrite: bool) -> None:
    """Refuse early what would fail late. Raises InputError or WorkError."""
    with disk_errors(f"write {path}"):
        _check_name(path, request, overwrite=overwrite)
    with disk_errors(f"write to the folder {path.parent}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.parent / f".{path.name}.part"
        probe.touch()
        probe.unlink()


def _check_name(path: Path, request: Request, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".mp4":
        raise InputError(
            f"output {path.name!r} does not end in .mp4",
            hint=f"write e.g. {mention(output=path.with_suffix('.mp4').name)}",
        )
    if path.is_dir():
        raise InputError(
            f"output {path} is a folder", hint=f"name a file, or use {mention('output_dir')}"
        )
    if path.exists() and not overwrite:
        raise InputError(
            f"output {path} exists already",
            hint=f"choose another name, or add {mention(overwrite=True)}",
        )
    if path.exists() and any(path.samefile(one) for one in request.files.values()):
        raise InputError(
            f"output {path} is the file that the video is made from", hint="choose another name"
        )
    if sidecar_path(path).exists() and not overwrite and not _is_record(sidecar_path(path)):
        raise InputError(
            f"{sidecar_path(path)} exists already, where the video's record would go",
            hint=f"choose another name, or add {mention(overwrite=True)}",
        )


def _is_record(path: Path) -> bool:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "plan" in record


@contextmanager
def placed(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Gives a temporary path beside `path`; on success the file moves under the final name in one
    step, on failure nothing is left."""
    temporary = path.parent / f".{path.name}.part"
    try:
        yield temporary
        with disk_errors(f"write {path}"):
            _move(temporary, path, overwrite=overwrite)
            sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sidecar_path(video: Path) -> Path:
    return video.with_suffix(".json")


def write_sidecar(video: Path, record: Mapping[str, Any], local: Mapping[str, Any]) -> Path:
    """The record, and beside it what is true of this run only (timings, where files lay)."""
    path = sidecar_path(video)
    write_atomic(path, json_text({**record, **local}, indent=2).encode())
    return path


def _move(source: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        source.replace(target)
        return
    try:
        os.link(source, target)
    except FileExistsError as err:
        raise WorkError(
            f"{target} appeared while the job ran",
            hint=f"move it away or add {mention(overwrite=True)}, then run the command again",
        ) from err
    except OSError:  # a file system without hard links
        source.replace(target)
