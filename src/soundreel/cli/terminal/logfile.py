"""`--log-file`: what a job said and how it ended, for a bug report. Nothing private is in it.

Written as the job goes, line by line, and bounded: a file of 5 MB moves to `NAME.1`, so that two
are there at most. A log that cannot be written is given up with a word; the job goes on.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from soundreel.errors import InputError, mention
from soundreel.events import Event, FrameChecked, FrameDone, FrameJoined, Notice, StepPreview
from soundreel.safe.text import shown

TITLE = "soundreel log"
_MAX_BYTES = 5_000_000
_MAX_ENTRY = 15_000  # characters of one; of a traceback the end counts
_FRAME_SECONDS = 1.0
"""A picture is one of thousands: at most one a second is logged, and the last."""


class LogFile:
    """Takes events, passes them on to `tell`, which may change from job to job, and, as a context
    manager, notes what ends the run.

    path: None is no log. Raises InputError on entering where it is another file than a log.
    """

    def __init__(self, path: Path | None, tell: Callable[[Event], None] = lambda _: None) -> None:
        self._path, self.tell = path, tell
        self._file: TextIO | None = None
        self._lock = threading.RLock()  # a server's listener sends events too
        self._size = 0
        self._last_frame = 0.0

    def __enter__(self) -> Self:
        if self._path is not None:
            from soundreel.versions import package_versions

            _require_log(self._path)
            self._open(self._path)
            self.write("arguments", " ".join(map(repr, sys.argv[1:])))
            self.write("versions", ", ".join(package_versions()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.write("end", "done")
        else:
            self.write("end", "".join(traceback.format_exception(error)))
        if self._file is not None:
            self._file.close()

    def handle(self, event: Event, whose: str = "") -> None:
        """whose: the job's name, where there are several."""
        if self._file is not None and not self._passed_over(event):
            self.write(f"event of {whose}" if whose else "event", _described(event))
        self.tell(event)

    def _passed_over(self, event: Event) -> bool:
        if (
            not isinstance(event, (FrameChecked, FrameDone, FrameJoined))
            or event.done == event.total
        ):
            return False
        early = time.monotonic() - self._last_frame < _FRAME_SECONDS
        self._last_frame = self._last_frame if early else time.monotonic()
        return early

    def write(self, kind: str, text: str) -> None:
        """One entry; what private words are in it is taken out."""
        if self._file is None:
            return
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        line = f"{now} {kind}: {shown(text[-_MAX_ENTRY:])}\n"
        with self._lock:
            try:
                self._file.write(line)
                self._file.flush()
                self._size += len(line.encode())
                if self._size > _MAX_BYTES:
                    self._rotate()
            except (OSError, ValueError) as err:
                self._give_up(err)

    def _open(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")
            self._size = path.stat().st_size
        except OSError as err:
            self._give_up(err)
            return
        self.write(TITLE, f"process {os.getpid()}")

    def _rotate(self) -> None:
        path = self._path
        if path is not None and self._file is not None:
            self._file.close()
            path.replace(path.with_name(f"{path.name}.1"))
            self._open(path)

    def _give_up(self, err: Exception) -> None:
        self._file = None
        reason = (err.strerror if isinstance(err, OSError) else "") or str(err)
        words = f"the log file {self._path} cannot be written ({reason}): going on without it"
        self.tell(Notice(words))


def _require_log(path: Path) -> None:
    """A log is added to a log only, never to a song that was named by mistake."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _refusal(path, "it is not a regular file")
        with path.open("rb") as file:
            start = file.read(200)
    except FileNotFoundError:
        return
    except OSError as err:
        raise _refusal(path, err.strerror or str(err)) from err
    if start and TITLE.encode() not in start:
        raise _refusal(path, "it is there already and is not a log")


def _refusal(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} cannot be the log file: {reason}", hint=f"name another: {mention('log_file')}"
    )


def _described(event: Event) -> str:
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    if isinstance(event, StepPreview):
        values["image"] = f"{len(event.image)} bytes"
    told = ", ".join(f"{name}={value!r}" for name, value in values.items())
    return f"{type(event).__name__}({told})"
