"""Does a sound file break off? Only what the file itself states is believed."""

from __future__ import annotations

import struct

from soundreel.audio.decode import Decoder
from soundreel.errors import InputError

_STATES_LENGTH = frozenset(
    {"aiff", "au", "caf", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "w64", "wav", "wv"}
)
"""Their headers hold the length of the sound; elsewhere FFmpeg's duration may be an estimate."""

_SLACK = 2048
"""Samples that a rounded header may be off: at most one codec frame."""

_KILOBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KILOBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)

_LAST_PAGE = 4  # flag of an Ogg page: the stream ends here
_OGG_PAGE_BYTES = 65307  # the largest there can be (RFC 3533, section 6)


def require_whole(decoder: Decoder, count: int) -> None:
    """Raise InputError if the file breaks off, unless the decoder is tolerant.

    count: samples that the decoder found; it has just reached their end.
    """
    missing = "" if decoder.tolerant else _shortfall(decoder, count)
    if missing:
        raise InputError(
            f"{decoder.path} breaks off in the middle: {missing}",
            hint="use a whole copy, or add --allow-truncated to use what decodes",
        )


def _shortfall(decoder: Decoder, count: int) -> str:
    """What is missing at the end of the file, in words; "" if nothing is known to be missing."""
    size = decoder.path.stat().st_size
    with decoder.path.open("rb") as file:
        head = file.read(4096)
        file.seek(max(0, size - _OGG_PAGE_BYTES))
        tail = file.read()
    if _states_length(decoder.container, head):
        declared = decoder.declared_samples or 0
        lossless = decoder.codec.startswith(("pcm_", "flac"))
        if count < declared - (0 if lossless else _SLACK):
            return f"it should hold {declared} samples and holds {count}"
    stated = _stated_bytes(head)
    if stated > size:
        return f"it should have {stated} bytes and has {size}"
    if head.startswith(b"OggS") and not _ends_with_last_page(tail):
        return "its last page is missing"
    if len(decoder.last_packet) < _frame_bytes(decoder.container, decoder.last_packet[:8]):
        return "its last frame is incomplete"
    return ""


def _states_length(container: str, head: bytes) -> bool:
    if container == "mp3":
        return b"Xing" in head or b"Info" in head
    return container in _STATES_LENGTH


def _stated_bytes(head: bytes) -> int:
    """The file's length in bytes as its own header gives it, 0 where it does not."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _matroska_bytes(head)
    if head.startswith(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")):
        return _asf_bytes(head)
    return 0


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


def _ends_with_last_page(tail: bytes) -> bool:
    """Whether the last Ogg page is whole and says that it is the last."""
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return False
    lacing = tail[at + 27 : at + 27 + tail[at + 26]]
    whole = at + 27 + tail[at + 26] + sum(lacing) <= len(tail)
    return whole and bool(tail[at + 5] & _LAST_PAGE)


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
