"""One sound file, decoded to floats from any sample on, exact to the sample.

Sample 0 is the first one that a player plays: priming and edit lists are already taken off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from math import gcd
from pathlib import Path
from typing import Self

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from soundreel.audio.frames import Samples, floats, match_channels, seconds
from soundreel.audio.tracks import sound_stream
from soundreel.errors import InputError, mention
from soundreel.media.container import BROKEN, open_media, reason

_MOV = "mov,mp4,m4a,3gp,3g2,mj2"

EXACT_CONTAINERS = frozenset(
    {"aac", "aiff", "au", "caf", "flac", "mp3", "ogg", "tta", "w64", "wav", "wv", _MOV}
)
"""Timestamps after a seek name the very sample."""

COARSE_CONTAINERS = frozenset({"asf", "flv", "matroska,webm"})
"""Timestamps are in milliseconds: they name the codec frame, whose place is then known.
In any other container a segment is reached by decoding all before it."""

STATEFUL_CODECS = ("adpcm", "ac3", "eac3")
"""Their sound, or its timestamps, depend on everything before."""

LOWEST_RATE, HIGHEST_RATE = 1000, 3_072_000
"""Hz; beyond these a header is damaged (the highest is that of DSD512 after decoding)."""

SEEK_FROM_S = 10
"""Segments that begin earlier than this are reached by plain decoding too."""

PREROLL_S = 1
"""Decoded and thrown away after a seek: bit reservoirs, overlaps and timestamps settle."""

VORBIS_PREROLL_S = 5
"""Ogg Vorbis: single timestamps are 448 samples late wherever the block size changes."""

GAP_S = Fraction(1, 10)
"""A larger jump of the timestamps is silence in the file, not jitter."""

BAD_PACKETS = 50
"""So many undecodable packets in a row, and the rest is not sound."""


class Decoder:
    """A context manager over one file; `blocks` may be called again and again.

    container, codec: FFmpeg's names.  rate, channels: of the decoded sound.
    tolerant: take what can be decoded, however much is damaged.
    end: samples in the whole sound, known once `blocks` has reached its end.

    A packet that cannot be decoded in the middle of a file is silence of its length, as players
    do it; time goes on.
    """

    def __init__(self, path: Path, *, tolerant: bool = False) -> None:
        self.path = path
        self.tolerant = tolerant
        self._resources = ExitStack()
        self._used = False
        self.end: int | None = None
        self._last_packet: Packet[AudioStream] | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()

    @property
    def declared_samples(self) -> int | None:
        """Length of the sound as the file's header states it; FFmpeg may have guessed it."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return round(self._stream.duration * self._stream.time_base * self.rate)
        if self._container.duration is not None:
            return round(Fraction(self._container.duration, 1_000_000) * self.rate)
        return None

    @property
    def last_packet(self) -> bytes:
        """The encoded bytes read last."""
        return b"" if self._last_packet is None else bytes(self._last_packet)

    def blocks(self, start: int = 0) -> Iterator[tuple[int, Samples]]:
        """(position, samples) from sample `start` on, without gaps, to the end of the sound."""
        far = start > SEEK_FROM_S * self.rate and self.can_seek
        position, frames = (self._seek(start) if far else None) or (0, self._from_start())
        for block in self._fill_gaps(position, frames):
            end = position + block.shape[1]
            if end > start:
                skip = max(0, start - position)
                yield position + skip, block[:, skip:]
            position = end
        self.end = position

    @property
    def can_seek(self) -> bool:
        """Whether a sample in the middle can be reached without decoding all before it."""
        known = self.container in EXACT_CONTAINERS | COARSE_CONTAINERS
        return known and not self.codec.startswith(STATEFUL_CODECS)

    def _from_start(self) -> Iterator[AudioFrame | None]:
        if self._used:
            self._open()
        self._used = True
        return chain(self._head, self._frames)

    def _open(self) -> None:
        self._resources.close()
        self._container = self._resources.enter_context(open_media(self.path))
        self._stream = sound_stream(self._container, self.path)
        self.container = self._container.format.name
        self.codec = self._stream.codec_context.name
        self._used = False
        self._frames: Iterator[AudioFrame | None] = self._decode()
        self._head: list[AudioFrame] = self._first_two()
        first = self._head[0]
        self.rate: int = first.sample_rate
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise InputError(
                f"{self.path} states {self.rate} samples a second",
                hint=f"it is damaged, or needs converting: {LOWEST_RATE} to {HIGHEST_RATE} work",
            )
        self.channels: int = first.layout.nb_channels
        self._start_s = self._first_moment(seconds(first) or Fraction(0))

    def _first_moment(self, sound_begins: Fraction) -> Fraction:
        """Timestamp of sample 0: where the sound begins, or, if a video begins clearly before
        its sound, where that begins."""
        opened = Fraction(self._container.start_time or 0, 1_000_000)
        late = sound_begins - opened > GAP_S and bool(self._container.streams.video)
        return opened if late else sound_begins

    def _first_two(self) -> list[AudioFrame]:
        frames: list[AudioFrame] = []
        for frame in self._frames:
            if frame is not None and frame.samples:
                frames.append(frame)
            if len(frames) == 2:
                break
        if not frames or not frames[0].layout.nb_channels:
            raise InputError(
                f"{self.path} holds no sound that can be decoded",
                hint="it is empty of sound or badly damaged; check that it plays elsewhere",
            )
        return frames

    def _decode(self) -> Iterator[AudioFrame | None]:
        """Frames in order; None stands for a packet that could not be decoded."""
        packets = self._container.demux(self._stream)
        bad = 0
        while True:
            try:
                packet = next(packets, None)
            except BROKEN as err:
                if self.tolerant:
                    return
                raise self._broken(err) from err
            if packet is None:
                return
            self._last_packet = packet if packet.size else self._last_packet
            try:
                decoded = packet.decode()
            except BROKEN as err:
                bad += 1
                if bad >= BAD_PACKETS and not self.tolerant:
                    raise self._broken(err) from err
                yield None
                continue
            bad = 0 if decoded else bad
            yield from (frame for frame in decoded if isinstance(frame, AudioFrame))

    def _broken(self, err: BaseException) -> InputError:
        return InputError(
            f"{self.path} is damaged: its sound cannot be decoded to the end ({reason(err)})",
            hint=f"use a whole copy, or add {mention(allow_truncated=True)} to use what decodes",
        )

    def _seek(self, start: int) -> tuple[int, Iterator[AudioFrame | None]] | None:
        """Jump ahead of `start`: (position, frames from there), or None where that fails."""
        vorbis = self.codec == "vorbis" and self.container == "ogg"
        early = VORBIS_PREROLL_S if vorbis else PREROLL_S
        base = self._stream.time_base or Fraction(1, self.rate)
        moment = Fraction(start, self.rate) - early - PREROLL_S + self._start_s
        self._used = True
        try:
            self._container.seek(int(moment / base), stream=self._stream, backward=True)
            frames = self._decode()
            preroll = self._take(frames, early * self.rate)
        except (*BROKEN, InputError):
            return None
        position = self._place(preroll, base)
        if position is None or not 0 <= position <= start:
            return None
        return position, chain(preroll, frames)

    def _take(self, frames: Iterator[AudioFrame | None], count: int) -> list[AudioFrame]:
        """The frames of the next `count` samples, without the first: seeking may have cut it."""
        taken: list[AudioFrame] = []
        next(frames, None)
        for frame in frames:
            if frame is None or frame.sample_rate != self.rate:
                taken.clear()
                continue
            taken.append(frame)
            count -= frame.samples
            if count <= 0:
                break
        return taken

    def _place(self, frames: list[AudioFrame], base: Fraction) -> int | None:
        """Position of the first of these adjoining frames: what most timestamps agree on."""
        guesses, counted = [], 0
        for frame in frames:
            if frame.pts is not None:
                guesses.append(self._position(frame) - counted)
            counted += frame.samples
        if not guesses:
            return None
        if self.container in EXACT_CONTAINERS and base * self.rate <= 1:
            return Counter(guesses).most_common(1)[0][0]
        return self._snap(Fraction(sum(guesses), len(guesses)), frames, base)

    def _snap(self, guess: Fraction, frames: list[AudioFrame], base: Fraction) -> int | None:
        """The border of codec frames next to `guess`; None where that is not certain."""
        origin = self._position(self._head[0]) + self._head[0].samples
        grid = gcd(*(frame.samples for frame in (*self._head[1:], *frames[:-1])))
        tick = base * self.rate
        if grid <= tick:
            return None
        place = origin + round((guess - origin) / grid) * grid
        return place if abs(place - guess) <= tick else None

    def _position(self, frame: AudioFrame) -> int:
        moment = seconds(frame)
        return 0 if moment is None else round((moment - self._start_s) * self.rate)

    def _fill_gaps(self, position: int, frames: Iterator[AudioFrame | None]) -> Iterator[Samples]:
        """The sound of the frames; silence where packets were lost or timestamps jump ahead."""
        lost = False
        for frame in frames:
            if frame is None or frame.sample_rate != self.rate:
                lost = True
                continue
            if frame.pts is not None:
                gap = self._position(frame) - position
                if gap > (0 if lost else GAP_S * self.rate) and self._believable(position + gap):
                    position += gap
                    yield np.zeros((self.channels, gap), np.float32)
            lost = False
            block = match_channels(self._trim(frame, floats(frame)), self.channels)
            position += block.shape[1]
            yield block

    def _believable(self, position: int) -> bool:
        whole = Fraction(self._container.duration or 0, 1_000_000) * self.rate
        return position <= max(whole, Fraction(self.declared_samples or 0))

    def _trim(self, frame: AudioFrame, block: Samples) -> Samples:
        """MP4 says how much of its last frame is sound; the rest is the encoder's padding."""
        if self.container != _MOV or not frame.duration or frame.time_base is None:
            return block
        return block[:, : round(frame.duration * frame.time_base * self.rate)]
