"""torch's zip files: `data.pkl` names the tensors, their storages and shapes; nothing is run.

TorchScript archives hold code instead, and are told apart by its words.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.pickles import read_pickle

_MAX_TABLE = 4_000_000  # bytes read at once: the table of contents; 1260 tensors take 0.2 MB
_MAX_PICKLE = 16_000_000
_MAX_CODE = 8_000_000
_MAX_TENSORS = 200_000
_MAX_DEPTH = 16
_MAX_NAME = 512


def read_torch_zip(file: BinaryIO) -> Header:
    """The tensors' names and shapes. Raises ValueError and what zipfile raises."""
    with zipfile.ZipFile(_InPieces(file)) as archive:
        names = archive.namelist()
        code = [name for name in names if "/code/" in name and name.endswith(".py")]
        if code:
            return Header("torchscript", {}, {"code": _words(archive, code)})
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            raise ValueError("a zip archive without torch's data.pkl")
        tree = read_pickle(_unpacked(archive, pickles[0], _MAX_PICKLE))
    return Header("pickle", dict(_tensors(tree)))


class _InPieces:
    """A file of which nobody gets more than a few megabytes at once: zipfile reads the whole table
    of contents, as long as the archive says that it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(min(count, _MAX_TABLE + 1) if count >= 0 else _MAX_TABLE + 1)
        if len(content) > _MAX_TABLE:
            raise ValueError(f"its table of contents is longer than {_MAX_TABLE:,} bytes")
        return content


def _words(archive: zipfile.ZipFile, names: list[str]) -> str:
    text, left = b"", _MAX_CODE
    for name in names:
        part = _unpacked(archive, name, left)
        left -= len(part)
        text += part + b"\n"
    return text.decode("utf-8", "replace")


def _unpacked(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes. What it says of its size is not believed."""
    about = archive.getinfo(name)
    if about.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("it is compressed in a way that torch does not use")
    content = bytearray()
    with archive.open(about) as member:
        while block := member.read(2**20):
            content += block
            if len(content) > limit:
                raise ValueError(f"{name} in it unpacks to more than {limit:,} bytes")
    return bytes(content)


def _tensors(tree: object) -> Iterator[tuple[str, TensorHeader]]:
    """Names joined by dots. Each place is visited once a path, so a tree that contains itself, or
    one part a thousand times, ends at a bound."""
    waiting: list[tuple[str, object, int]] = [("", tree, 0)]
    visited = 0
    while waiting:
        name, part, depth = waiting.pop()
        visited += 1
        if visited > _MAX_TENSORS or depth > _MAX_DEPTH or len(name) > _MAX_NAME:
            raise ValueError("more, deeper or longer named tensors than any model has")
        if isinstance(part, TensorHeader):
            yield name, part
        elif isinstance(part, dict):
            stem = f"{name}." if name else ""
            waiting += [(f"{stem}{key}", value, depth + 1) for key, value in part.items()]
