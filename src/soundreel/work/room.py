"""Room on the disk: how much a job wants, and whether it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from soundreel.errors import mention


def room_notices(pieces: int, video: int, work_dir: Path, output_dir: Path) -> Iterator[str]:
    """What a job will likely take, in words, and a warning for each disk that has less left."""
    yield f"on the disk: about {bytes_text(pieces)} of work, {bytes_text(video)} of video"
    work, output = _existing(work_dir), _existing(output_dir)
    if work.stat().st_dev == output.stat().st_dev:
        wanted = [(work, pieces + video)]
    else:
        wanted = [(work, pieces), (output, video)]
    for folder, size in wanted:
        free = shutil.disk_usage(folder).free
        if free < size:
            yield (
                f"the disk of {folder} has {bytes_text(free)} left, and the job wants about "
                f"{bytes_text(size)}: free some, or choose {mention('work_dir', 'output')}"
            )


def bytes_text(size: int) -> str:
    """As a person reads it: 900 kB, 12 MB, 3.4 GB."""
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    count, name = (size / 10**6, "MB") if size < 10**9 else (size / 10**9, "GB")
    return f"{count:.{0 if count >= 10 else 1}f} {name}"


def _existing(folder: Path) -> Path:
    """Where the folder will be made."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
