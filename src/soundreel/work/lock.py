"""One holder at a time among all processes, by a file that is there only while it is held."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
)
"""What file systems without locks say. There the file itself is the lock, and names its holder."""


class Lock:
    """The system drops the lock when its holder ends, however it ends. The file that a killed
    holder leaves is taken over by the next one and goes with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """True if it is ours now, False if another holds it. OSError where the disk refuses."""
        while self._handle is None:
            handle, created = self._open()
            try:
                locked = _try_lock(handle)
                if locked is None:
                    locked = self._claim(handle, created)
                if locked and self._is_still(handle):
                    self._handle, handle = handle, -1
            finally:
                if handle >= 0:
                    os.close(handle)
            if not locked:
                return False
        return True

    def release(self) -> None:
        """Remove the file and let go. The name goes before the lock: whoever has opened the file
        meanwhile sees that it is no longer the one of that name, and opens again."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if sys.platform == "win32":  # where nobody can remove a file that anybody has open
            os.close(handle)
            with suppress(OSError):
                self.path.unlink()
        else:
            with suppress(OSError):
                self.path.unlink()
            os.close(handle)

    def _open(self) -> tuple[int, bool]:
        """A handle, and whether the file is new. Links are not followed."""
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        while True:
            with suppress(FileExistsError):
                return os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
            with suppress(FileNotFoundError):
                return os.open(self.path, flags), False

    def _is_still(self, handle: int) -> bool:
        """Whether the file of that name is the one that we opened."""
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat(follow_symlinks=False))
        except FileNotFoundError:
            return False

    def _claim(self, handle: int, created: bool) -> bool:
        """Where the file system has no locks: whoever made the file holds it, as long as he lives;
        a dead one's file is removed, so that the next look at the name finds another or none."""
        if created:
            os.write(handle, f"{os.getpid()} {socket.gethostname()}".encode())
            return True
        if _lives(os.read(handle, 300)):
            return False
        if self._is_still(handle):
            self.path.unlink(missing_ok=True)
        return True


def _try_lock(handle: int) -> bool | None:
    """None where the file system has no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in _HELD:
            return False
        if err.errno in _UNSUPPORTED:
            return None
        raise
    return True


def _lives(holder: bytes) -> bool:
    """Whether the process named in a lock file may still run; one of another machine may."""
    pid, _, host = holder.decode(errors="replace").partition(" ")
    if host != socket.gethostname() or not pid.isdecimal() or sys.platform == "win32":
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
