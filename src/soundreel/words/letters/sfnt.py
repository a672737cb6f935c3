"""What a font file says of itself: which characters it has, its name, whether it is in colour.

Only the few tables are read that answer this (OpenType 1.9: the table directory, `cmap` in its
formats 4 and 12, `name`); shapes and rules are FreeType's and HarfBuzz's affair.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from soundreel.errors import InputError
from soundreel.types.words import Font

_MOST_FACES, _MOST_TABLES, _LARGEST_TABLE = 64, 128, 8 << 20
_COLLECTION = b"ttcf"
_KINDS = (b"\0\1\0\0", b"OTTO", b"true")
_BITMAPS = (b"CBDT", b"sbix")
_WINDOWS, _MACINTOSH, _FAMILY, _TYPOGRAPHIC = 3, 1, 1, 16

FONT_HINT = "give a .ttf, .otf or .ttc font"


@dataclass(frozen=True, slots=True)
class Face:
    """chars: the code points that it has glyphs for. colour: they have colours of their own."""

    font: Font
    family: str
    chars: frozenset[int]
    colour: bool


@lru_cache(maxsize=256)
def read_faces(path: Path) -> tuple[Face, ...]:
    """The faces of a font file. Raises InputError where it is none."""
    try:
        with path.open("rb") as file:
            starts = _starts(file)
            return tuple(_face(file, path, *numbered) for numbered in enumerate(starts))
    except OSError as err:
        raise InputError(
            f"cannot read the font {path}: {err.strerror}", hint="check the name"
        ) from err
    except (struct.error, ValueError, IndexError, KeyError, UnicodeError) as err:
        raise InputError(f"{path} is not a font that can be read", hint=FONT_HINT) from err


def read_face(font: Font) -> Face:
    """Raises InputError."""
    return read_faces(font.path)[font.index]


def _starts(file: BinaryIO) -> list[int]:
    """Where the table directory of each face lies."""
    head = file.read(12)
    if head[:4] in _KINDS:
        return [0]
    if head[:4] != _COLLECTION:
        raise ValueError("no font")
    count = struct.unpack_from(">I", head, 8)[0]
    if count > _MOST_FACES:
        raise ValueError("too many faces")
    return list(struct.unpack(f">{count}I", file.read(4 * count)))


def _face(file: BinaryIO, path: Path, index: int, start: int) -> Face:
    tables = _tables(file, start)
    family = _family(_table(file, tables, b"name"))
    has_colr = b"COLR" in tables and _table(file, tables, b"COLR")[:2] == b"\0\0"
    colour = has_colr or any(kind in tables for kind in _BITMAPS)
    drawable = colour or any(kind in tables for kind in (b"glyf", b"CFF ", b"CFF2"))
    chars = _chars(_table(file, tables, b"cmap")) if drawable else frozenset[int]()
    return Face(Font(path, index), family or path.stem, chars, colour)


def _tables(file: BinaryIO, start: int) -> dict[bytes, tuple[int, int]]:
    """(offset, length) by tag."""
    file.seek(start)
    count = struct.unpack(">4xH6x", file.read(12))[0]
    if count > _MOST_TABLES:
        raise ValueError("too many tables")
    rows = struct.iter_unpack(">4s4xII", file.read(16 * count))
    return {tag: (offset, length) for tag, offset, length in rows}


def _table(file: BinaryIO, tables: dict[bytes, tuple[int, int]], tag: bytes) -> bytes:
    offset, length = tables[tag]
    if length > _LARGEST_TABLE:
        raise ValueError("too large a table")
    file.seek(offset)
    return file.read(length)


def _chars(cmap: bytes) -> frozenset[int]:
    count = struct.unpack_from(">2xH", cmap)[0]
    offsets = {struct.unpack_from(">4xI", cmap, 4 + 8 * number)[0] for number in range(count)}
    found = set[int]()
    for offset in offsets:
        kind = struct.unpack_from(">H", cmap, offset)[0]
        spans = {4: _spans_of_4, 12: _spans_of_12}.get(kind)
        for first, last in spans(cmap, offset) if spans else ():
            found.update(range(first, min(last, 0x10FFFF) + 1))
    return frozenset(found)


def _spans_of_12(cmap: bytes, offset: int) -> Iterator[tuple[int, int]]:
    count = struct.unpack_from(">I", cmap, offset + 12)[0]
    groups = cmap[offset + 16 : offset + 16 + 12 * count]
    for first, last, glyph in struct.iter_unpack(">III", groups):
        yield (first, last) if glyph else (first + 1, last)


def _spans_of_4(cmap: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Segments, empty ones too; where glyphs are listed, characters one by one, as 0 is none."""
    count = struct.unpack_from(">H", cmap, offset + 6)[0] // 2
    ends_at, row = offset + 14, 2 * count
    ends = struct.unpack_from(f">{count}H", cmap, ends_at)
    starts = struct.unpack_from(f">{count}H", cmap, ends_at + row + 2)
    deltas = struct.unpack_from(f">{count}H", cmap, ends_at + 2 * row + 2)
    ranges_at = ends_at + 3 * row + 2
    ranges = struct.unpack_from(f">{count}H", cmap, ranges_at)
    for number, (first, last) in enumerate(zip(starts, ends, strict=True)):
        if first == 0xFFFF or first > last:
            continue
        if not ranges[number]:
            hole = -deltas[number] & 0xFFFF  # the character that would have glyph 0
            yield first, min(last, hole - 1)
            yield max(first, hole + 1), last
            continue
        listed = ranges_at + 2 * number + ranges[number]
        glyphs = struct.unpack_from(f">{last - first + 1}H", cmap, listed)
        yield from ((first + at, first + at) for at, glyph in enumerate(glyphs) if glyph)


def _family(name: bytes) -> str:
    """Its name as people know it, "Noto Sans Arabic"."""
    count, texts_at = struct.unpack_from(">2xHH", name)
    found = dict[tuple[int, int], str]()
    for number in range(count):
        platform, _, language, kind, length, offset = struct.unpack_from(
            ">6H", name, 6 + 12 * number
        )
        if kind in (_FAMILY, _TYPOGRAPHIC) and (platform, language) in ((3, 0x409), (1, 0)):
            text = name[texts_at + offset : texts_at + offset + length]
            coding = "utf-16-be" if platform == _WINDOWS else "latin-1"
            found[kind, platform] = text.decode(coding, "replace")
    order = [(kind, at) for kind in (_TYPOGRAPHIC, _FAMILY) for at in (_WINDOWS, _MACINTOSH)]
    return next((found[key] for key in order if key in found), "")
