"""Writes that survive a crash and follow nobody's links, and a disk's errors in plain words."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from soundreel.errors import WorkError, mention

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when there is no room left."""

_REASONS = {
    errno.EEXIST: "a file of that name is in the way",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ELOOP: "a link is in the way",
    errno.ENAMETOOLONG: "the name is too long for this disk",
}

_CANNOT_SYNC = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EROFS}
)
"""What file systems without a sync say: network shares, virtual machines' folders, FUSE."""


@contextmanager
def disk_errors(action: str) -> Iterator[None]:
    """Translate OSError: `action` says what was tried, e.g. "write /x/y"."""
    try:
        yield
    except OSError as err:
        full = err.errno in DISK_FULL
        hint = (
            "free some space, then run the same command: finished parts are kept"
            if full
            else "check the folder and its permissions, or choose another: "
            f"{mention('output', 'work_dir')}"
        )
        reason = (
            "the disk is full" if full else _REASONS.get(err.errno or 0, err.strerror or str(err))
        )
        raise WorkError(f"cannot {action}: {reason}", hint=hint) from err


def write_atomic(path: Path, *parts: bytes, temporary: Path | None = None) -> None:
    """The file is there whole or not at all, also after a power cut. `temporary` lies on the same
    disk and is the caller's alone; by default `path` with ".part" at its end."""
    temporary = temporary or path.with_name(path.name + ".part")
    with disk_errors(f"write {path}"):
        create(temporary)
        with temporary.open("r+b") as file:
            for part in parts:
                file.write(part)
            file.flush()
            _flush_to_disk(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def create(path: Path) -> None:
    """Make `path` an empty file of our own. What lay under that name goes, an old link too: it is
    removed, never written through."""
    path.unlink(missing_ok=True)
    with path.open("xb"):
        pass


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """The file, to be read. OSError where it is a link, a pipe or a device: they lead elsewhere,
    or block for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def read_regular(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file; OSError where there are more than `most`."""
    with open_regular(path) as file:
        data = file.read() if most is None else file.read(most + 1)
    if most is not None and len(data) > most:
        raise OSError(errno.EINVAL, f"longer than {most} bytes", str(path))
    return data


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where it can be done: Windows has no such call, and many
    shares refuse it, with any error. The files themselves are synced before."""
    if os.name == "nt":
        return
    try:
        sync(folder)
    except OSError as err:
        if err.errno in DISK_FULL:
            raise


def sync(path: Path) -> None:
    """Wait until the file's bytes are on the disk, so that a seal written later can be trusted."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows: writable only
    try:
        _flush_to_disk(handle)
    finally:
        os.close(handle)


def _flush_to_disk(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as err:
        if err.errno not in _CANNOT_SYNC:
            raise
