"""Where the video goes: its name, its way under the final name, its sidecar."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from soundreel.errors import InputError, WorkError, mention
from soundreel.safe.text import json_text
from soundreel.timeline.grid import format_seconds
from soundreel.types import Plan
from soundreel.video.containers import container_of
from soundreel.work.files import create, disk_errors, read_regular, sync_folder, write_atomic
from soundreel.work.job import Job
from soundreel.work.lock import Lock

_MAX_STEM_BYTES = 100
_MAX_NAME_BYTES = 240
"""File systems hold 255 bytes in a name, and a letter may take four."""

_MAX_RECORD = 64 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """Where one job's video goes. `key` is the job's; the hidden files beside the video carry it,
    so that no two jobs ever write the same one."""

    path: Path
    key: str

    @property
    def sidecar(self) -> Path:
        return sidecar_path(self.path)

    @property
    def temporary(self) -> Path:
        return self._hidden("part")

    @property
    def thumbnail(self) -> Path:
        return self.path.with_suffix(".jpg")

    @property
    def sidecar_temporary(self) -> Path:
        return self._hidden("json.part")

    @property
    def thumbnail_temporary(self) -> Path:
        return self._hidden("jpg.part")

    def _hidden(self, suffix: str) -> Path:
        """Short whatever the video is called; two work folders may know the same job."""
        name = hashlib.sha256(os.fsencode(self.path.name)).hexdigest()[:8]
        return self.path.parent / f".soundreel-{self.key}-{name}.{suffix}"


def output_name(plan: Plan, timestamp: str) -> str:
    """`{source}_{width}x{height}_{frames}f_{seconds}s_{picture_word}_{tag}_seed{seed}_{time}`,
    and the ending of its container."""
    request = plan.request
    seconds = format_seconds(plan.audio.duration)
    tag = f"{request.tag}_draft" if request.draft else request.tag
    facts = (
        f"_{request.output_size}_{plan.num_frames}f_{seconds}s_"
        f"{request.picture_word}_{tag}_seed{request.seed}_{timestamp}.{container_of(request.encoding).name}"
    )
    source, room = request.source.stem, _MAX_NAME_BYTES - len(os.fsencode(facts))
    while len(os.fsencode(source)) > max(0, min(room, _MAX_STEM_BYTES)):
        source = source[:-1]
    return (source.lstrip("-.") or "sound") + facts


def claim(path: Path, job: Job) -> Target:
    """Take `path` for this job until it is closed. WorkError while another process has it, in
    whatever folder that keeps its work; InputError for what cannot be a video's name."""
    with disk_errors(f"write {path}"):
        _check_name(path)
    lock = _acquire(path)
    if lock is None:
        raise WorkError(
            f"another process is making {path}",
            hint="wait for it, or choose another name",
        )
    return _claimed(path, lock, job)


def claim_automatic(path: Path, job: Job, is_ours: Callable[[Path], bool]) -> Target:
    """Take the name that an earlier run of the job took, else `path`, or the first of `path-2`,
    `path-3`, … that neither exists nor is another process's. `is_ours` knows the job's own video.
    """
    noted = job.fact("output")
    candidates = () if noted is None else (Path(noted),)
    for candidate in chain(candidates, _numbered(path)):
        lock = _acquire(candidate)
        if lock is None:
            continue
        if _is_free(candidate) or (candidate in candidates and is_ours(candidate)):
            target = _claimed(candidate, lock, job)
            job.fix("output", str(candidate))
            return target
        lock.release()
    raise AssertionError("numbers do not end")


def check_target(
    target: Target, inputs: Collection[Path], *, overwrite: bool, thumbnail: bool = False
) -> None:
    """Refuse early what would fail late. inputs: files that the video is made from; thumbnail: one
    will be written, too. Raises InputError or WorkError."""
    with disk_errors(f"write {target.path}"):
        _check_existing(target.path, inputs, overwrite=overwrite)
        _check_sidecar(target.sidecar, inputs, overwrite=overwrite)
        if thumbnail:
            _check_thumbnail(target.thumbnail, inputs, overwrite=overwrite)
    with disk_errors(f"write to the folder {target.path.parent}"):
        create(target.temporary)
        target.temporary.unlink()


@contextmanager
def placed(target: Target, *, overwrite: bool) -> Iterator[Path]:
    """Gives a temporary path beside the target; on success the file moves under the final name in
    one step, on failure nothing is left."""
    temporary = target.temporary
    try:
        with disk_errors(f"write {target.path}"):
            create(temporary)
        yield temporary
        with disk_errors(f"write {target.path}"):
            _move(temporary, target.path, overwrite=overwrite)
            sync_folder(target.path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sidecar_path(video: Path) -> Path:
    return video.with_suffix(".json")


def write_sidecar(
    target: Target, record: Mapping[str, object], local: Mapping[str, object]
) -> Path:
    """The record, and beside it what is true of this run only (timings, where files lay)."""
    content = json_text({**record, **local}, indent=2).encode()
    write_atomic(target.sidecar, content, temporary=target.sidecar_temporary)
    return target.sidecar


def noted_job(video: Path) -> str | None:
    """The key of the job that made a video, as its sidecar says; None where it does not."""
    try:
        noted = json.loads(read_regular(sidecar_path(video), _MAX_RECORD))
    except (OSError, ValueError, RecursionError):
        return None
    return noted.get("job") if isinstance(noted, dict) else None


def write_thumbnail(target: Target, jpeg: bytes) -> Path:
    write_atomic(target.thumbnail, jpeg, temporary=target.thumbnail_temporary)
    return target.thumbnail


def _check_name(path: Path) -> None:
    if path.is_dir():
        raise InputError(
            f"output {path} is a folder", hint=f"name a file, or use {mention('output_dir')}"
        )
    for name in (path, sidecar_path(path)):  # which may be longer than the disk allows
        with suppress(FileNotFoundError):
            name.lstat()


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in count(2):
        yield path.with_stem(f"{path.stem}-{number}")


def _is_free(path: Path) -> bool:
    return not os.path.lexists(path) and not os.path.lexists(sidecar_path(path))


def _acquire(path: Path) -> Lock | None:
    """The lock of a video and its sidecar, beside them: whoever writes there sees it."""
    stem = path.stem
    if len(os.fsencode(stem)) > _MAX_NAME_BYTES - 20:
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()
    with disk_errors(f"write to the folder {path.parent}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(path.parent / f".{stem}.soundreel.lock")
        return lock if lock.acquire() else None


def _claimed(path: Path, lock: Lock, job: Job) -> Target:
    """What a killed run of this job left is removed."""
    job.hold(lock)
    target = Target(path, job.key)
    with disk_errors(f"write to the folder {path.parent}"):
        target.temporary.unlink(missing_ok=True)
        target.sidecar_temporary.unlink(missing_ok=True)
        target.thumbnail_temporary.unlink(missing_ok=True)
    return target


def _check_existing(path: Path, inputs: Collection[Path], *, overwrite: bool) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not overwrite:
        nowhere = stat.S_ISLNK(kind) and not path.exists()
        raise InputError(
            f"output {path} exists already" + (", as a link to nowhere" if nowhere else ""),
            hint=f"choose another name, or add {mention(overwrite=True)}",
        )
    if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
        raise InputError(f"output {path} is not a regular file", hint="choose another name")
    if _is_input(path, inputs):
        raise InputError(
            f"output {path} is the file that the video is made from", hint="choose another name"
        )


def _check_sidecar(path: Path, inputs: Collection[Path], *, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if _is_input(path, inputs):
        raise InputError(
            f"{path}, where the video's record would go, is a file that it is made from",
            hint="choose another name",
        )
    if not overwrite and not _is_record(path):
        raise InputError(
            f"{path} exists already, where the video's record would go",
            hint=f"choose another name, or add {mention(overwrite=True)}",
        )


def _check_thumbnail(path: Path, inputs: Collection[Path], *, overwrite: bool) -> None:
    if _is_input(path, inputs):
        raise InputError(
            f"{path}, where the thumbnail would go, is a file that the video is made from",
            hint="choose another name",
        )
    if os.path.lexists(path) and not overwrite:
        raise InputError(
            f"{path} exists already, where the thumbnail would go",
            hint=f"choose another name, or add {mention(overwrite=True)}",
        )


def _is_input(path: Path, inputs: Collection[Path]) -> bool:
    return path.exists() and any(path.samefile(one) for one in inputs)


def _is_record(path: Path) -> bool:
    try:
        record = json.loads(read_regular(path, _MAX_RECORD))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "plan" in record


def _move(source: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        with suppress(OSError):  # a file system without hard links, or a name that is taken
            os.link(source, target)
            return
        if os.path.lexists(target):
            raise WorkError(
                f"{target} appeared while the job ran",
                hint=f"move it away or add {mention(overwrite=True)}, then run the command again",
            )
    source.replace(target)
