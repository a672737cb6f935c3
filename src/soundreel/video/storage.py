"""Writing media files: FFmpeg's failures become our own errors here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from soundreel.errors import SoundreelError, WorkError
from soundreel.media.container import reason
from soundreel.work.files import DISK_FULL


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a WorkError that says what to do."""
    try:
        yield
    except (av.FFmpegError, OSError) as err:
        raise _write_failure(path, err) from err


def discard(path: Path) -> None:
    """Remove a file cut short, if it is there; the failure that cut it short is the one to tell."""
    with suppress(OSError):
        path.unlink()


def _write_failure(path: Path, err: Exception) -> SoundreelError:
    if getattr(err, "errno", None) in DISK_FULL:
        return WorkError(
            f"no room left while writing {path}: {reason(err)}",
            hint="free some space, then run the same command again: finished parts are kept",
        )
    return WorkError(
        f"cannot write {path}: {reason(err)}",
        hint="check that the folder exists and can be written, then run the same command again",
    )
