"""Where the packets of a track lie in its sound, counted without decoding them.

Time stamps cannot say it: they are rounded to milliseconds, they jitter, they drift. But most
codecs put the same number of samples into every packet, so that counting packets gives the place of
each by the law that decoding follows (clock.py). In MP4, which has a table of its packets, an hour
takes 0.1 s, elsewhere 0.5 s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from numpy.typing import NDArray

from soundreel.audio.reading.clock import Clock, TimeLine

_EVEN_CODECS = frozenset(
    {
        "aac", "alac", "amrnb", "amr_nb", "amrwb", "amr_wb", "dca", "flac", "gsm", "gsm_ms",
        "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "opus", "libopus",
    }
)  # fmt: skip
"""Every packet but the last decodes to as many samples; an Opus packet says how many. In PCM they
are counted by the bytes."""

_EVERY = 64
"""One packet in so many is remembered."""

_OPUS_MS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4
"""Length of a frame by the configuration in a packet's first byte (RFC 6716, 3.1)."""


Entries = NDArray[np.int64]
"""(packets, 4): time stamp in ticks, place in the file, bytes; samples if the packet says them
itself, else 0."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A packet to seek to, by its time stamp and its place in the file; the clock before it."""

    stamp: int
    place: int
    clock: Clock


class Index:
    """Marks in the order of the sound."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._marks = list(marks)
        self._positions = [mark.clock.position for mark in self._marks]

    def before(self, position: int) -> Mark | None:
        """The last mark at or before a position."""
        at = bisect_right(self._positions, position) - 1
        return self._marks[at] if at >= 0 else None


def is_even(codec: str) -> bool:
    """Whether packets of this codec can be counted."""
    return codec in _EVEN_CODECS or _counts_bytes(codec)


def table_entries(stream: AudioStream) -> Entries | None:
    """The packets by MP4's own table; None if it is not complete, as in fragmented files."""
    if not stream.frames or len(stream.index_entries) != stream.frames:
        return None
    if stream.codec_context.name.endswith("opus"):
        return None  # it does not say how many samples each packet holds
    table, entries = stream.index_entries, np.zeros((stream.frames, 4), np.int64)
    entries[:, 0] = np.fromiter((one.timestamp for one in table), np.int64)
    entries[:, 1] = np.fromiter((one.pos for one in table), np.int64)
    if _counts_bytes(stream.codec_context.name):
        entries[:, 2] = np.fromiter((one.size for one in table), np.int64)
    return entries


def read_entries(packets: Iterable[Packet[AudioStream]], codec: str) -> Entries:
    """The packets as they come out of the file."""
    rows = []
    opus = codec.endswith("opus")
    for packet in packets:
        stamp, size = packet.pts, packet.size
        if stamp is None or not size or packet.is_discard:
            continue
        says = opus_samples(bytes(memoryview(packet)[:2])) if opus else 0
        rows.append((stamp, packet.pos or 0, size, says))
    return np.array(rows, np.int64).reshape(-1, 4)


def make_index(
    entries: Entries, codec: str, clock: Clock, line: TimeLine, stamp: int, usual: int
) -> Index:
    """clock: as it stands before the packet with this stamp, which holds `usual` samples."""
    first = np.flatnonzero(entries[:, 0] == stamp)[:1]
    if not first.size:
        return Index([])
    rest = entries[first[0] :]
    samples = np.where(rest[:, 3] > 0, rest[:, 3], usual)
    if _counts_bytes(codec):
        samples = rest[:, 2] * usual // rest[0, 2]
    stamps = line.positions(rest[:, 0])
    jumps = np.diff(stamps, prepend=clock.due) - np.append(0, samples[:-1])
    steady = (np.abs(jumps) < np.minimum(samples / 2, clock.gap_samples)).all()
    return Index((_steady if steady else _stepped)(rest, stamps, samples, clock))


def _steady(
    entries: Entries, stamps: NDArray[np.int64], samples: NDArray[np.int64], clock: Clock
) -> Iterator[Mark]:
    """No stamp jumps by so much that the clock would look at it: the places are sums."""
    before = np.cumsum(samples) - samples
    for at in range(0, len(entries), _EVERY):
        due = int(stamps[at - 1] + samples[at - 1]) if at else clock.due
        stamp, place = map(int, entries[at, :2])
        yield Mark(stamp, place, clock.moved(clock.position + int(before[at]), due))


def _stepped(
    entries: Entries, stamps: NDArray[np.int64], samples: NDArray[np.int64], clock: Clock
) -> Iterator[Mark]:
    places = [*map(int, stamps), None]
    for at, (stamp, place) in enumerate(entries[:, :2].tolist()):
        if at % _EVERY == 0:
            yield Mark(stamp, place, clock.copy())
        clock.gap(places[at], int(samples[at]), places[at + 1])


def _counts_bytes(codec: str) -> bool:
    return codec.startswith("pcm_")


def opus_samples(head: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, by its first two bytes (RFC 6716, 3.1 and 3.2)."""
    if not head:
        return 0
    count = (1, 2, 2, head[1] & 63 if len(head) > 1 else 0)[head[0] & 3]
    return int(_OPUS_MS[head[0] >> 3] * 48) * count
