"""Reaching a sample in the middle without decoding all before it, or not at all.

Where a format's time stamps follow from the samples, what most of them agree on after a seek is the
place. Where they are an author's statements, the packets before are counted. Where neither is
certain the answer is None, and the file is decoded from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from math import gcd
from typing import TypeVar, cast

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from soundreel.audio.reading.clock import Clock, TimeLine
from soundreel.audio.reading.index import Index, is_even, make_index, read_entries, table_entries
from soundreel.audio.reading.packets import Reader
from soundreel.errors import InputError
from soundreel.media.container import BROKEN, open_media

MOV = "mov,mp4,m4a,3gp,3g2,mj2"

_DERIVED = frozenset({"aac", "aiff", "au", "caf", "flac", "mp3", "tta", "w64", "wav", "wv"})
"""FFmpeg counts the stamps from the samples."""

_STATED = frozenset({MOV, "matroska,webm", "flv", "live_flv"})
"""Stamps are statements: of any precision in MP4, in milliseconds elsewhere."""

_COARSE = "asf"
"""Milliseconds, and packets of several frames, that cannot be counted."""

_STATEFUL_CODECS = ("adpcm", "ac3", "eac3")
"""Their sound, or its time stamps, depend on everything before."""

_PREROLL_S = 1
"""Decoded and thrown away after a seek: bit reservoirs, overlaps and time stamps settle."""

_VORBIS_PREROLL_S = 5
"""Ogg Vorbis: single time stamps are 448 samples late wherever the block size changes."""

_OUTER_PACKETS = 3
"""At its ends a stream may begin before 0 and stop within a packet."""

_REMEMBERED = 4
_known: dict[tuple[object, ...], object] = {}
"""What was found out about the last few files."""

_T = TypeVar("_T")


@dataclass
class Places:
    """One open track, of which nothing but the first two frames (`head`) was decoded.

    clock: as it stands at sample 0.
    """

    reader: Reader
    head: list[AudioFrame]
    line: TimeLine
    clock: Clock

    @property
    def can_seek(self) -> bool:
        """Whether some way is open in principle."""
        container, codec = self._container, self.reader.stream.codec_context.name
        if codec.startswith(_STATEFUL_CODECS) or len(self.head) < 2:
            return False
        if container in _STATED:
            return is_even(codec)
        return container in _DERIVED or container in ("ogg", _COARSE)

    def reach(self, start: int) -> tuple[Clock, Iterator[AudioFrame | None]] | None:
        """The clock at a place before sample `start`, and the frames from there on."""
        try:
            if self._container in _STATED:
                return self._count(start)
            if self._container == "ogg" and not self._pages_follow():
                return None
            return self._agree(start)
        except (*BROKEN, InputError):
            return None

    @property
    def _container(self) -> str:
        return self.reader.container.format.name

    # --- counting ---------------------------------------------------------------------------------

    def _count(self, start: int) -> tuple[Clock, Iterator[AudioFrame | None]] | None:
        index = self._remembered("index", self._make_index)
        mark = index.before(start - _PREROLL_S * self.line.rate) if index else None
        if mark is None:
            return None
        early = int(_PREROLL_S / self.line.base)
        self._seek(mark.stamp - early)
        frames = self.reader.frames(from_packet=(mark.stamp, mark.place))
        clock = mark.clock.copy()
        for first in frames:
            if first is not None:  # it must be the very packet, whole
                right = first.pts is not None and first.samples == self.head[1].samples
                return (clock, chain([first], frames)) if right else None
            clock.skip(self.head[1].samples)
        return None

    def _make_index(self) -> Index:
        first, second = self.head[:2]
        clock = self.clock.copy()
        clock.gap(self._stamp(first), first.samples, self._stamp(second))
        with self._again() as other:
            codec = other.stream.codec_context.name
            entries = table_entries(other.stream)
            if entries is None:
                entries = read_entries(other.packets(), codec)
            return make_index(entries, codec, clock, self.line, second.pts or 0, second.samples)

    # --- agreeing ---------------------------------------------------------------------------------

    def _agree(self, start: int) -> tuple[Clock, Iterator[AudioFrame | None]] | None:
        vorbis = self.reader.stream.codec_context.name == "vorbis" and self._container == "ogg"
        early = _VORBIS_PREROLL_S if vorbis else _PREROLL_S
        moment = Fraction(start, self.line.rate) - early - _PREROLL_S + self.line.start
        self._seek(int(moment / self.line.base))
        frames = self.reader.frames()
        preroll = self._take(frames, early * self.line.rate)
        position = self._place(preroll)
        if position is None or not 0 <= position <= start:
            return None
        return self.clock.moved(position, position), chain(preroll, frames)

    def _take(self, frames: Iterator[AudioFrame | None], count: int) -> list[AudioFrame]:
        """The frames of the next `count` samples, without the first: seeking may have cut it."""
        taken: list[AudioFrame] = []
        next(frames, None)
        for frame in frames:
            if frame is None or frame.sample_rate != self.line.rate:
                taken.clear()
                continue
            taken.append(frame)
            count -= frame.samples
            if count <= 0:
                break
        return taken

    def _place(self, frames: list[AudioFrame]) -> int | None:
        """Position of the first of these adjoining frames: what most time stamps agree on."""
        guesses, counted = [], 0
        for frame in frames:
            if frame.pts is not None:
                guesses.append(self.line.position(frame.pts) - counted)
            counted += frame.samples
        if not guesses:
            return None
        if self._container != _COARSE and self.line.tick <= 1:
            return Counter(guesses).most_common(1)[0][0]
        return self._snap(Fraction(sum(guesses), len(guesses)), frames)

    def _snap(self, guess: Fraction, frames: list[AudioFrame]) -> int | None:
        """The border of codec frames next to `guess`; None where that is not certain."""
        origin = (self._stamp(self.head[0]) or 0) + self.head[0].samples
        grid = gcd(*(frame.samples for frame in (*self.head[1:], *frames[:-1])))
        if grid <= self.line.tick:
            return None
        place = origin + round((guess - origin) / grid) * grid
        return place if abs(place - guess) <= self.line.tick else None

    def _pages_follow(self) -> bool:
        """Whether every packet begins where the one before ends, but at the file's ends."""
        return self._remembered("pages", self._look_at_pages)

    def _look_at_pages(self) -> bool:
        with self._again() as other:
            times = [
                (packet.pts, packet.pts + (packet.duration or 0))
                for packet in other.packets()
                if packet.pts is not None and packet.size
            ]
        inner = times[_OUTER_PACKETS:-_OUTER_PACKETS]
        return all(begin == end for (_, end), (begin, _) in pairwise(inner))

    # --- both -------------------------------------------------------------------------------------

    def _seek(self, stamp: int) -> None:
        self.reader.container.seek(stamp, stream=self.reader.stream, backward=True)

    def _stamp(self, frame: AudioFrame) -> int | None:
        return None if frame.pts is None else self.line.position(frame.pts)

    @contextmanager
    def _again(self) -> Iterator[Reader]:
        """The same track, to read all its packets."""
        own = self.reader
        with open_media(own.path) as container:
            stream = container.streams[own.stream.index]
            assert isinstance(stream, AudioStream)
            yield Reader(own.path, container, stream, own.tolerant, own.control)

    def _remembered(self, what: str, make: Callable[[], _T]) -> _T:
        status = self.reader.path.stat()
        key = (what, self.reader.path.absolute(), status.st_size, status.st_mtime_ns,
               self.reader.stream.index)  # fmt: skip
        if key not in _known:
            if len(_known) >= _REMEMBERED:
                del _known[next(iter(_known))]
            _known[key] = make()
        return cast("_T", _known[key])
