"""Writes that survive a crash, and the errors of a disk in the user's words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundreel.errors import WorkError, mention

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when there is no room left."""

_REASONS = {
    errno.EEXIST: "a file of that name is in the way",
    errno.ENOTDIR: "a part of the path is a file, no folder",
}


@contextmanager
def disk_errors(action: str) -> Iterator[None]:
    """Translate OSError: `action` says what was tried, e.g. "write /x/y"."""
    try:
        yield
    except OSError as err:
        full = err.errno in DISK_FULL
        hint = (
            "free some space, then run the same command: finished chunks are kept"
            if full
            else "check the folder and its permissions, or choose another: "
            f"{mention('output', 'work_dir')}"
        )
        reason = (
            "the disk is full" if full else _REASONS.get(err.errno or 0, err.strerror or str(err))
        )
        raise WorkError(f"cannot {action}: {reason}", hint=hint) from err


def write_atomic(path: Path, *parts: bytes) -> None:
    """The file is there whole or not at all, also after a power cut."""
    temporary = path.with_name(path.name + ".part")
    with disk_errors(f"write {path}"):
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable (a no-op where folders cannot be synced)."""
    if os.name != "nt":
        sync(folder)


def sync(path: Path) -> None:
    """Wait until the file's bytes are on the disk, so that a seal written later can be trusted."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
