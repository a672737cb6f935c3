"""What a machine that shares no disk with us is given: the files that a plan names, by content."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

BLOCK = 64 << 20
"""Bytes that travel at once."""


class _Packer(pickle.Pickler):
    """Writes a digest in place of the path of each file; others stay as they are."""

    def __init__(self, file: io.BytesIO, own: Collection[Path]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.files: dict[str, Path] = {}
        self._own, self._digests = frozenset(own), dict[Path, str]()

    def persistent_id(self, obj: Any) -> str | None:
        if not isinstance(obj, Path) or obj in self._own or not obj.is_file():
            return None
        if obj not in self._digests:
            with obj.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            # The name stays: messages say it, and some formats are told by their ending.
            self._digests[obj] = f"{digest}/{obj.name}"
            self.files[self._digests[obj]] = obj
        return self._digests[obj]


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file)
        self._folder = folder

    def persistent_load(self, pid: str) -> Path:
        return self._folder / pid


def pack(value: object, *, own: Collection[Path] = ()) -> tuple[bytes, Mapping[str, Path]]:
    """The value without the files that it names, and these: by what `unpack` looks for below its
    folder, where they lie here. own: paths that mean nothing elsewhere. Raises OSError."""
    text = io.BytesIO()
    packer = _Packer(text, own)
    packer.dump(value)
    return text.getvalue(), packer.files


def unpack(packed: bytes, folder: Path) -> Any:
    return _Unpacker(io.BytesIO(packed), folder).load()


def blocks_of(path: Path) -> Iterator[bytes]:
    """The file's content, in blocks that memory has room for. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def write_blocks(path: Path, blocks: Iterable[bytes]) -> None:
    """Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.writelines(blocks)
