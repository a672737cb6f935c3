"""Does a sound file break off? Only what the file itself states is believed."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from soundreel.audio.reading.decode import Decoder
from soundreel.errors import InputError, mention
from soundreel.media.container import reason

_STATES_LENGTH = frozenset({"aiff", "au", "caf", "flac", "tta", "w64", "wv"})
"""Their headers hold the length of the sound; elsewhere FFmpeg's duration may be an estimate."""

PLACEHOLDER = 0x7F00_0000
"""Bytes of sound from which on a stated length was never filled in: programs that write into a
pipe put 0x7F000000, 0x7FFFF000, 0x7FFFFFFF or all ones there."""

_PRIMING = 2112
"""Samples in front of the sound that iTunes counts in and FFmpeg takes off: the longest usual."""

_KILOBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KILOBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)

_MOST_CHUNKS = 1000  # before the sound data of a WAVE file
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof")
_OGG_PAGE_BYTES = 65307  # the largest there can be (RFC 3533, section 6)


def require_whole(decoder: Decoder, count: int) -> None:
    """Raise InputError if the file breaks off, unless the decoder is tolerant.

    count: samples that the decoder found; it has just reached their end. What is less than a tenth
    of a second, or than the priming and one packet of a codec, is a remark of the decoder's.
    """
    if decoder.tolerant:
        return
    try:
        missing, why = _shortfall(decoder, count)
    except OSError as err:
        raise InputError(
            f"cannot read {decoder.path}: {reason(err)}", hint="was it moved meanwhile?"
        ) from err
    if missing > max(decoder.rate // 10, _PRIMING + 2048):
        raise InputError(
            f"{decoder.path} breaks off in the middle: {why}",
            hint=f"use a whole copy, or add {mention(allow_truncated=True)} to use what decodes",
        )
    decoder.shortfall = why if missing > _PRIMING else ""


def _shortfall(decoder: Decoder, count: int) -> tuple[int, str]:
    """About how many samples are missing at the end, and the sign of it; (0, "") if none are."""
    with decoder.path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        stated = _stated_bytes(file)
        cut_page = decoder.container == "ogg" and _ends_within_page(file, size)
    if cut_page or len(decoder.last_packet) < _frame_bytes(
        decoder.container, decoder.last_packet[:8]
    ):
        return decoder.rate, f"its last {'page' if cut_page else 'frame'} is incomplete"
    if decoder.container in _STATES_LENGTH:
        declared = decoder.declared_samples or 0
        if decoder.sample_bytes * declared < PLACEHOLDER and count < declared:
            return declared - count, f"it should hold {declared} samples and holds {count}"
    if stated > size:
        lost = (stated - size) * count // max(1, size)
        return lost or 1, f"it should have {stated} bytes and has {size}"
    return 0, ""


def _stated_bytes(file: BinaryIO) -> int:
    """The file's length in bytes as its own header gives it, 0 where it does not."""
    head = _read(file, 0, 4096)
    if head.startswith((b"RIFF", b"RF64", b"BW64")) and head[8:12] == b"WAVE":
        return _wave_bytes(file)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska_bytes(head)
    if head[4:8] in _MP4_BOXES:
        return _mp4_bytes(file)
    if head.startswith(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")):
        return _asf_bytes(head)
    return _xing_bytes(file, head)


def _read(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _wave_bytes(file: BinaryIO) -> int:
    """Up to the end of the sound data; 0 where its length was never filled in.

    RF64 keeps the length in its chunk ds64 (EBU Tech 3306).
    """
    place, long_length = 12, 0
    for _ in range(_MOST_CHUNKS):
        kind, length = _read(file, place, 4), _read(file, place + 4, 4)
        if len(length) < 4:
            return 0
        count = int.from_bytes(length, "little")
        if kind == b"ds64":
            long_length = int.from_bytes(_read(file, place + 16, 8), "little")
        if kind == b"data":
            count = long_length if count == 0xFFFFFFFF else count
            filled_in = 0 < count < PLACEHOLDER or long_length
            return place + 8 + count if filled_in else 0
        place += 8 + count + count % 2
    return 0


def _mp4_bytes(file: BinaryIO) -> int:
    """To the end of the last box at the top (ISO 14496-12, 4.2), of which a file may have any
    number, in fragments."""
    place, size = 0, file.seek(0, os.SEEK_END)
    while place + 8 <= size:
        head = _read(file, place, 16)
        count = int.from_bytes(head[:4], "big")
        if count == 1:
            count = int.from_bytes(head[8:16], "big")
        if count < 8:  # 0 is "to the end of the file"
            return 0
        place += count
    return place


def _xing_bytes(file: BinaryIO, head: bytes) -> int:
    """An MP3 may begin, behind its ID3 tag, with a frame that holds the length in bytes."""
    begin = 0
    if head.startswith(b"ID3"):  # 28 bits in four bytes (ID3v2.4, section 3.1)
        begin = 10 + sum((byte & 127) << 7 * i for i, byte in enumerate(reversed(head[6:10])))
    first = _read(file, begin, 200)
    at = max(first.find(b"Xing"), first.find(b"Info"))
    if not first.startswith(b"\xff") or at < 0:
        return 0
    flags, _frames, count = struct.unpack(">III", first[at + 4 : at + 16].ljust(12, b"\0"))
    return begin + int(count) if flags & 3 == 3 else 0


def _matroska_bytes(head: bytes) -> int:
    """EBML header, then the segment: each with its size (RFC 8794, section 4)."""
    size, used = _ebml_size(head, 4)
    segment = 4 + used + size
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return 0
    size, used = _ebml_size(head, segment + 4)
    unknown = size == (1 << 7 * used) - 1
    return 0 if unknown else segment + 4 + used + size


def _ebml_size(data: bytes, at: int) -> tuple[int, int]:
    """(value, bytes used) of a variable-length integer; (0, 0) beyond the data."""
    first = data[at] if at < len(data) else 0
    if first == 0:
        return 0, 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    return value & ((1 << 7 * length) - 1), length


def _asf_bytes(head: bytes) -> int:
    """The file properties object: GUID, size, file id, then the file's size (ASF, 3.2)."""
    at = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    if at < 0 or at + 48 > len(head):
        return 0
    return int(struct.unpack_from("<Q", head, at + 40)[0])


def _ends_within_page(file: BinaryIO, size: int) -> bool:
    """Whether an Ogg file stops before its last page does. That this page calls itself the last is
    not asked for: recorders leave that out."""
    tail = _read(file, max(0, size - _OGG_PAGE_BYTES), _OGG_PAGE_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return True
    lacing = tail[at + 27 : at + 27 + tail[at + 26]]
    return at + 27 + tail[at + 26] + sum(lacing) > len(tail)


def _frame_bytes(container: str, head: bytes) -> int:
    """Length of a frame of a bare MP3 or AAC stream as its header gives it; 0 if unknown."""
    if len(head) < 6 or head[0] != 0xFF:
        return 0
    if container == "aac":  # ADTS: 13 bits across bytes 3 to 5 (ISO 13818-7, 6.2)
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return _mpeg_audio_bytes(head) if container == "mp3" else 0


def _mpeg_audio_bytes(head: bytes) -> int:
    """Layer III frames (ISO 11172-3, 2.4.2.3); 0 for other layers and free bit rates."""
    first, layer3 = head[1] >> 3 & 3 == 3, head[1] >> 1 & 3 == 1
    rate = (44100, 48000, 32000, 0)[head[2] >> 2 & 3] >> (3 - (head[1] >> 3 & 3) + 1) // 2
    kilobits = (_KILOBITS_1 if first else _KILOBITS_2)[head[2] >> 4]
    if not layer3 or not rate:
        return 0
    return (144 if first else 72) * kilobits * 1000 // rate + (head[2] >> 1 & 1)
