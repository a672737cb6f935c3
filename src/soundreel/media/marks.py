"""What a file says of where its pictures come from: IPTC's digital source type, as XMP.

The terms are those of http://cv.iptc.org/newscodes/digitalsourcetype/ (NewsCodes, 2024-Q3), the
property is the one of IPTC's Photo Metadata Standard and Video Metadata Hub. Where a packet stands
in a file is from Adobe's XMP Specification Part 3, "Storage in Files".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TRAINED = "trainedAlgorithmicMedia"
"""Made by a model that was trained on sampled content."""
ALGORITHMIC = "algorithmicMedia"
"""Made by an algorithm alone, without any sampled training data."""
COMPOSITE = "composite"
"""Several elements together: a user's own picture, and what an algorithm does with and around it.
(compositeSynthetic and compositeWithTrainedAlgorithmicMedia say that a generative model was at
work.)"""

ENHANCED = "algorithmicallyEnhanced"
"""Pictures of any origin, altered a little by an algorithm."""

TAG = "digitalsourcetype"
"""The name of the file's tag that says the same as the packet."""

SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PROPERTY = "Iptc4xmpExt:DigitalSourceType"
NAMESPACE = 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'

_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
"""Of the top-level box of an ISO media file that holds an XMP packet."""

_PACKET = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" {NAMESPACE} {PROPERTY}="{{}}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""

_MOST_PACKET = 64 << 20
_FOUND = re.compile(rf'{PROPERTY}="([^"]*)"')


def packet(source_type: str) -> bytes:
    """The XMP packet that says so. source_type: the term's URI."""
    return _PACKET.format(source_type).encode()


def append_box(path: Path, source_type: str) -> None:
    """Put the packet at the end of an MP4 or MOV, where it moves nothing that is there."""
    content = _UUID + packet(source_type)
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)


def read_box(path: Path) -> str | None:
    """The URI in the packet of an MP4 or MOV. Raises OSError."""
    with path.open("rb") as file:
        for kind, at, size in boxes(file):
            file.seek(at)
            if kind == b"uuid" and size <= _MOST_PACKET and file.read(16) == _UUID:
                found = _FOUND.search(file.read(size - 16).decode("utf-8", "replace"))
                return found[1] if found else None
    return None


def boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, its size) of every top-level box (ISO/IEC 14496-12); ends
    where the file is no ISO media file, or damaged."""
    end = file.seek(0, 2)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        size = size or end - at
        if size < head or at + size > end:
            return
        yield kind, at + head, size - head
        at += size
