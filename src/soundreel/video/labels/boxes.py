"""Title, artist, date and a picture in an MP4 or MOV, where players and file managers look: a list
of items (`ilst`) in the movie's user data.

FFmpeg writes either these or tags of free names, and the record needs a free name. So the list is
put into the finished file: its index, which lies in front, grows by it, and what follows moves.
The free tags lie in the user data, of which there is only one: they move out of it, beside it,
where QuickTime has them.
Boxes are those of ISO/IEC 14496-12; items are Apple's ("QuickTime File Format Specification").
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from soundreel.errors import WorkError, mention

_NAMES = {"title": b"\xa9nam", "artist": b"\xa9ART", "date": b"\xa9day"}
_PICTURE = b"covr"
_TEXT, _JPEG = 1, 13
"""Well-known types of an item's data."""

_WAY_TO_OFFSETS = (b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": ">I", b"co64": ">Q"}
_BLOCK = 8 << 20


def add_label(path: Path, words: Mapping[str, str], jpeg: bytes | None) -> None:
    """Write them into the file, in place. Raises WorkError where its index cannot take them."""
    addition = _user_data(words, jpeg)
    with path.open("r+b") as file:
        start, end = _find(file, b"moov")
        index = bytearray(_without_user_data(_read(file, start, end)) + addition)
        struct.pack_into(">I", index, 0, len(index))
        grown = len(index) - (end - start)
        if _find(file, b"mdat")[0] > start:
            _shift_offsets(index, grown, path)
        _make_room(file, end, grown)
        file.seek(start)
        file.write(index)


def _without_user_data(index: bytes) -> bytes:
    """The index with the free tags beside the user data in place of in it."""
    parts, at = [index[:8]], 8
    while at + 8 <= len(index):
        size, name = struct.unpack_from(">I4s", index, at)
        size = max(size, 8)
        part = index[at : at + size]
        only_tags = name == b"udta" and part[8:16] == struct.pack(">I4s", size - 8, b"meta")
        parts.append(part[8:] if only_tags else part)
        at += size
    return b"".join(parts)


def _user_data(words: Mapping[str, str], jpeg: bytes | None) -> bytes:
    items = [_item(_NAMES[name], _TEXT, text.encode()) for name, text in words.items()]
    if jpeg is not None:
        items.append(_item(_PICTURE, _JPEG, jpeg))
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", b"".join(items))))


def _item(name: bytes, kind: int, data: bytes) -> bytes:
    return _box(name, _box(b"data", struct.pack(">II", kind, 0) + data))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _find(file: BinaryIO, wanted: bytes) -> tuple[int, int]:
    """Where the outermost box of that name begins and ends."""
    at, length = 0, file.seek(0, os.SEEK_END)
    while at + 8 <= length:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        size = size or length - at
        if name == wanted:
            return at, at + size
        if size < 8:
            break
        at += size
    raise WorkError(f"the file has no box {wanted.decode()}", hint="report this")


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _shift_offsets(index: bytearray, by: int, path: Path) -> None:
    """Every chunk of pictures and sound lies so many bytes later."""
    for start, end, form in _offset_tables(index, 8, len(index), 0):
        (count,) = struct.unpack_from(">I", index, start + 4)
        table = struct.Struct(f">{count}{form[1]}")
        assert start + 8 + table.size <= end
        moved = [offset + by for offset in table.unpack_from(index, start + 8)]
        if moved and max(moved) >= 1 << 8 * struct.calcsize(form):
            raise WorkError(
                f"{path.name} is too large for its tags and its picture",
                hint=f"leave them out: {mention(poster='none')}",
            )
        table.pack_into(index, start + 8, *moved)


def _offset_tables(
    index: bytearray, at: int, end: int, depth: int
) -> Iterator[tuple[int, int, str]]:
    """(where the content begins, where it ends, form of a number) of every table of offsets."""
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", index, at)
        size = max(size, 8)
        if depth < len(_WAY_TO_OFFSETS) and name == _WAY_TO_OFFSETS[depth]:
            yield from _offset_tables(index, at + 8, at + size, depth + 1)
        elif depth == len(_WAY_TO_OFFSETS) and name in _OFFSETS:
            yield at + 8, at + size, _OFFSETS[name]
        at += size


def _make_room(file: BinaryIO, at: int, size: int) -> None:
    """Move all from `at` on by `size` bytes, the end first."""
    end = file.seek(0, os.SEEK_END)
    while end > at:
        start = max(at, end - _BLOCK)
        block = _read(file, start, end)
        file.seek(start + size)
        file.write(block)
        end = start
