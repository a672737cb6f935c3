"""Where the videos of the server lie, and how much room there is."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from soundreel.web.asked.limits import Limits
from soundreel.web.studio.refusals import Refused
from soundreel.work.listing import list_jobs, remove_job

_MEASURED_S = 10.0


class Shelf:
    """A folder for each video, and the parts of those that are not done in `work_dir`."""

    def __init__(self, folder: Path, work_dir: Path, limits: Limits) -> None:
        self._folder, self._work_dir, self._limits = folder, work_dir, limits
        self._measured = (0, float("-inf"))

    def video(self, key: str, ending: str) -> Path:
        return self._home(key) / f"video.{ending}"

    def prepare(self, key: str) -> None:
        self._home(key).mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self, key: str) -> None:
        shutil.rmtree(self._home(key), ignore_errors=True)

    def forget_parts(self, key: str) -> None:
        """Of a job that nobody will go on with."""
        home = str(self._home(key))
        for each in list_jobs(self._work_dir):
            output = each.asked.get("request", {}).get("output")
            if str(output).startswith(home) and not each.running:
                remove_job(self._work_dir, each)

    def require_room(self, more: int = 0) -> None:
        """Raises Refused where so many more bytes have no place."""
        free = shutil.disk_usage(self._folder).free - more
        if self.size + more > self._limits.disk_bytes or free < self._limits.free_bytes:
            raise Refused(507, "disk_full", "there is no room for more", "remove some videos")

    @property
    def size(self) -> int:
        """Bytes of uploads and videos, measured now and then."""
        size, when = self._measured
        if time.monotonic() - when > _MEASURED_S:
            size = sum(_size(path) for path in self._folder.rglob("*"))
            self._measured = (size, time.monotonic())
        return size

    def _home(self, key: str) -> Path:
        return self._folder / "videos" / key


def _size(path: Path) -> int:
    """0 of what is gone meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0
