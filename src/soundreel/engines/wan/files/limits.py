"""How much of a stranger's file is read: anything may lie in a models folder.

A file may be half downloaded, damaged, or made to do harm. Whatever is read of one is bounded in
bytes, in the number of values and in depth, and so in time and memory; the bounds are far above
those of every published file (the largest header, of 1728 tensors, has 0.3 MB).
"""

from __future__ import annotations

import lzma
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundreel.engines.tensors import parse_object
from soundreel.errors import InputError

MAX_CONFIG = 1_000_000  # bytes of a config.json

MALFORMED = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, RecursionError),
    *(OverflowError, NotImplementedError, RuntimeError, AssertionError),
    *(struct.error, zipfile.BadZipFile, pickle.UnpicklingError, zlib.error, lzma.LZMAError),
)
"""What the standard library's readers raise on damaged files."""


@contextmanager
def faults_of(path: Path, what: str, hint: str) -> Iterator[None]:
    """Turn all that can be wrong with a file into one InputError: "PATH is not WHAT: ...\""""
    try:
        yield
    except OSError as err:
        raise InputError(
            f"cannot read {path}: {err.strerror or err}", hint="check the path and its permissions"
        ) from err
    except MALFORMED as err:
        raise InputError(f"{path} is not {what}: {_reason(err)}", hint=hint) from err


def require_file(path: Path) -> None:
    """A pipe or a device is never opened: it may wait, or never end. Raises OSError, ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")


def read_bounded(path: Path, limit: int) -> bytes:
    """The whole file. Raises ValueError where it is longer than `limit` bytes, OSError."""
    require_file(path)
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is longer than {limit:,} bytes")
    return content


def read_json_object(path: Path, limit: int) -> dict[str, object]:
    """The JSON object in a file. Raises ValueError, RecursionError, OSError."""
    return parse_object(read_bounded(path, limit))


def _reason(err: BaseException) -> str:
    if isinstance(err, RecursionError):
        return "it is nested too deeply"
    if isinstance(err, KeyError):
        return f"{err} is missing"
    return str(err) or type(err).__name__
