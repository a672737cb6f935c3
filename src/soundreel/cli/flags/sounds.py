"""What people write for sounds and for where the videos go: `-`, a folder."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from soundreel.errors import InputError, mention
from soundreel.work.files import disk_errors

_STDIN = "-"
_NEUTRAL = "sound"
"""The name of a sound that has none; the video's begins with it."""


@contextmanager
def sound_files(given: Sequence[Path]) -> Iterator[list[Path]]:
    """The sounds as files. `-` is standard input, in a private file while the job runs; the job
    knows it by its bytes, so that the same bytes go on with it. Raises InputError, WorkError."""
    if Path(_STDIN) not in given:
        yield list(given)
        return
    if len(given) > 1:
        raise InputError(
            "- (standard input) stands among other sounds", hint="give it a command of its own"
        )
    with TemporaryDirectory(prefix="soundreel-") as folder:
        path = Path(folder) / _NEUTRAL
        with disk_errors("store standard input"):
            _store(sys.stdin.buffer, path)
        yield [path]


def _store(source: BinaryIO, path: Path) -> None:
    if sys.stdin.isatty():
        raise InputError(
            "- reads a sound from standard input, and none is piped in",
            hint="e.g. ffmpeg -i film.mkv -f wav - | soundreel -",
        )
    with path.open("xb") as file:
        shutil.copyfileobj(source, file)
        if not file.tell():
            raise InputError("standard input is empty", hint="nothing was piped in")


def with_folder(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options, where an output that is a folder has become the folder for automatic names."""
    output = given.get("output")
    if output is None or not _is_folder(output):
        return dict(given)
    return {**given, "output": None, "output_dir": Path(output)}


def require_folder(
    given: Mapping[str, Any], sounds: Sequence[Path], replay: Path | None = None
) -> None:
    """Raises InputError where several videos would go into one file, or come out of one."""
    if len(sounds) < 2:
        return
    if replay is not None:
        raise InputError(
            f"{len(sounds)} sounds, and {mention('from')} makes one video again",
            hint="name one sound, or none",
        )
    if given.get("output") is not None:
        raise InputError(
            f"{len(sounds)} sounds make {len(sounds)} videos, and {mention(output=given['output'])}"
            " is one file",
            hint=f"name a folder, with a slash at its end: {mention(output='videos/')}",
        )


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir()
