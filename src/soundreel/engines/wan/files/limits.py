"""How much of a stranger's file is read: anything may lie in a models folder.

A file may be half downloaded, damaged, or made to do harm. Whatever is read of one is bounded in
bytes, in the number of values and in depth, and so in time and memory; the bounds are far above
those of every published file (the largest header, of 1728 tensors, has 0.3 MB).
"""

from __future__ import annotations

import json
import lzma
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from soundreel.errors import InputError

MAX_JSON = 32_000_000  # bytes; LoRA trainers write megabytes of statistics into the header
MAX_CONFIG = 1_000_000  # bytes of a config.json
_MAX_VALUES = 1_000_000  # of one JSON text
_MAX_DIMS = 8
_MAX_SIDE = 2**48

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


def parse_object(text: bytes) -> dict[str, object]:
    """A JSON object. Raises ValueError, RecursionError."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, it holds a {type(value).__name__}")
    return value


def parse_json(text: bytes) -> object:
    """A JSON value made of at most so many. Raises ValueError, RecursionError."""
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > _MAX_VALUES:
        raise ValueError(f"it holds more than {_MAX_VALUES:,} values")
    try:
        value: object = json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as err:
        raise ValueError(f"it is not valid JSON: {err}") from err
    return value


def checked_shape(sides: Sequence[object]) -> tuple[int, ...]:
    """The shape of a tensor. Raises ValueError where it is none."""
    if len(sides) > _MAX_DIMS:
        raise ValueError(f"a tensor of {len(sides)} dimensions")
    shape = [side for side in sides if type(side) is int and 0 <= side <= _MAX_SIDE]
    if len(shape) != len(sides):
        raise ValueError("a tensor whose shape is not made of whole numbers from 0")
    return tuple(shape)


def _reason(err: BaseException) -> str:
    if isinstance(err, RecursionError):
        return "it is nested too deeply"
    if isinstance(err, KeyError):
        return f"{err} is missing"
    return str(err) or type(err).__name__
