"""Files that are ours: made anew, synced where that can be done, read without waiting for ever."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from soundreel.errors import WorkError
from soundreel.work import files


def test_what_is_written_follows_no_planted_link(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"not ours")
    for name in ("a.json.part", "a.json"):
        (tmp_path / name).symlink_to(other)
    files.write_atomic(tmp_path / "a.json", b"one", b"two")
    assert other.read_bytes() == b"not ours"
    assert (tmp_path / "a.json").read_bytes() == b"onetwo"
    assert not (tmp_path / "a.json").is_symlink()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").write_bytes(b"x")
    path = tmp_path / "a"
    if kind == "link":
        path.symlink_to(tmp_path / "there")
    else:
        os.mkfifo(path)
    with pytest.raises(OSError):
        files.read_regular(path)
    with pytest.raises(OSError, match="longer"):
        files.read_regular(tmp_path / "there", most=0)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EIO, errno.EACCES])
def test_a_share_that_cannot_sync_folders_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if os.path.samestat(os.fstat(handle), tmp_path.stat()):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_atomic(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False), (errno.ENOSPC, False)]
)
def test_a_file_whose_bytes_may_be_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if passes:
        files.write_atomic(tmp_path / "a", b"x")
    else:
        with pytest.raises(WorkError, match="cannot write"):
            files.write_atomic(tmp_path / "a", b"x")


def test_windows_flushes_only_what_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fsync refuses a handle that only reads, and it cannot open a folder at all."""
    flags: dict[int, int] = {}
    path, real_open, real_fsync = tmp_path / "a", os.open, os.fsync
    path.write_bytes(b"x")

    def opened(name: str | Path, how: int) -> int:
        if os.path.isdir(name):  # noqa: PTH112  (pathlib asks os.name)
            raise PermissionError(errno.EACCES, "Permission denied")
        handle = real_open(name, how)
        flags[handle] = how
        return handle

    def fsync(handle: int) -> None:
        if not flags[handle] & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EBADF, "Bad file descriptor")
        real_fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(files, "_CANNOT_SYNC", frozenset())
        with pytest.raises(OSError):
            files.sync(path)
        patch.setattr(os, "name", "nt")
        files.sync(path)
        files.sync_folder(tmp_path)
