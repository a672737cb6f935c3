"""Standard streams that do no harm when their other end is gone: a terminal that was closed, a full
disk under a log, a daemon that was started without any. Light, since it comes before everything."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

_STANDARD = (0, 1, 2)


def make_steady() -> None:
    """Progress and errors that cannot be written are dropped, and the job lives; results too, where
    they went to a terminal. Results that a file or a program waits for still fail aloud."""
    _open_missing()
    sys.stderr = _lossy(sys.stderr, 2)
    if sys.stdout is None or sys.stdout.isatty():
        sys.stdout = _lossy(sys.stdout, 1)


def _lossy(stream: TextIO | None, number: int) -> TextIO:
    if stream is not None:
        if os.name == "nt" and stream.isatty():
            return stream  # a console takes characters, not bytes
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Lossy(number, "w", closefd=False)),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _open_missing() -> None:
    """Where a standard stream is closed, the next file that is opened takes its number, and what a
    library writes to "stderr" lands in it."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


class _Lossy(io.FileIO):
    """Says that all was written, whatever became of it."""

    def write(self, data: object, /) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            return super().write(view) or view.nbytes
        except OSError:
            return view.nbytes
