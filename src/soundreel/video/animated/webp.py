"""Animated WebP: lossy pictures, times in milliseconds, tags as XMP.

The chunks are those of Google's container specification (RIFF; "WebP Container Specification").
They are written here one by one, so that a long file needs no memory; Pillow encodes the pictures.
"""

from __future__ import annotations

import html
import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from soundreel.errors import WorkError, mention
from soundreel.events import RunControl
from soundreel.media.marks import NAMESPACE, PROPERTY
from soundreel.media.marks import TAG as MARK
from soundreel.types import Rgb
from soundreel.video.animated.strip import Strip, delay

TICK = Fraction(1, 1000)
QUALITY, EFFORT = 80, 2
"""Pillow's `quality`, 0 to 100, and `method`, 0 quick to 6 small."""

_ANIMATED, _WITH_XMP = 0x02, 0x04
_NO_BLEND = 0x02
_MOST_BYTES = 0xFFFFFFF6
"""RIFF counts in 32 bits."""

_MOST_XMP = 64 << 20
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tag="urn:soundreel:tag#"{}>
{}
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
_TAG = re.compile(r"<tag:([a-z]{1,40})>(.*?)</tag:\1>", re.DOTALL)


def write(output: Path, strip: Strip, tags: Mapping[str, str], control: RunControl) -> None:
    """Plays for ever. Raises WorkError where it outgrows what the format can hold."""
    width, height = strip.size
    with output.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WEBP")
        flags = _ANIMATED | _WITH_XMP
        file.write(_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + _three(width - 1, height - 1)))
        file.write(_chunk(b"ANIM", bytes(6)))
        for index, picture in enumerate(strip.pictures()):
            control.raise_if_cancelled()
            _write_frame(file, picture, delay(index, strip.fps, TICK))
        file.write(_chunk(b"XMP ", _xmp(tags).encode()))
        _write_size(file, output)


def read_xmp(path: Path) -> dict[str, str]:
    """The tags that we wrote; {} where the file is no WebP, or damaged. Raises OSError."""
    with path.open("rb") as file, suppress(EOFError):
        for kind, at, size in chunks(file):
            if kind == b"XMP " and size <= _MOST_XMP:
                file.seek(at)
                text = file.read(size).decode("utf-8", "replace")
                return {key: html.unescape(value) for key, value in _TAG.findall(text)}
    return {}


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, its size) of every chunk. Raises EOFError where the file is
    no whole WebP."""
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise EOFError
    end = 8 + int(struct.unpack("<I", head[4:8])[0])
    at = 12
    while at < end:
        file.seek(at)
        kind_and_size = file.read(8)
        if len(kind_and_size) < 8:
            raise EOFError
        kind, size = struct.unpack("<4sI", kind_and_size)
        yield kind, at + 8, size
        at += 8 + size + size % 2


def _write_frame(file: BinaryIO, picture: Rgb, ticks: int) -> None:
    still = BytesIO()
    Image.fromarray(picture).save(still, "WEBP", quality=QUALITY, method=EFFORT)
    height, width = picture.shape[:2]
    head = _three(0, 0, width - 1, height - 1, ticks) + bytes((_NO_BLEND,))
    file.write(_chunk(b"ANMF", head + still.getvalue()[12:]))


def _write_size(file: BinaryIO, output: Path) -> None:
    size = file.tell()
    if size > _MOST_BYTES:
        raise WorkError(
            f"{output.name} would have {size} bytes, more than a WebP can hold",
            hint=f"use {mention(container='mp4')}",
        )
    file.seek(4, os.SEEK_SET)
    file.write(struct.pack("<I", size - 8))


def _xmp(tags: Mapping[str, str]) -> str:
    lines = (
        f"<tag:{key}>{html.escape(value, quote=False)}</tag:{key}>" for key, value in tags.items()
    )
    mark = f' {NAMESPACE} {PROPERTY}="{html.escape(tags[MARK])}"' if MARK in tags else ""
    return _XMP.format(mark, "\n".join(lines))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _three(*numbers: int) -> bytes:
    """Whole numbers of three bytes each."""
    return b"".join(number.to_bytes(3, "little") for number in numbers)
