"""The fake server's folders, counted: how full they are, were at most, and can get."""

from __future__ import annotations

import errno

FileKey = tuple[str, str, str]
"""A file's folder type, subfolder and name."""


class Disk(dict[FileKey, bytes]):
    """capacity: bytes; what does not fit raises the OSError that a full disk gives.
    peak: the most bytes that ever lay here at once."""

    def __init__(self) -> None:
        super().__init__()
        self.capacity: int | None = None
        self.peak = 0

    @property
    def used(self) -> int:
        return sum(map(len, self.values()))

    def __setitem__(self, key: FileKey, data: bytes) -> None:
        used = self.used - len(self.get(key, b"")) + len(data)
        if self.capacity is not None and used > self.capacity and data:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().__setitem__(key, data)
        self.peak = max(self.peak, used)
