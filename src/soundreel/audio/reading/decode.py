"""One sound file, decoded to floats from any sample on, exact to the sample.

Sample 0 is the first one that a player plays: priming and edit lists are already taken off.
docs/sound.md says which of a file's own statements are believed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Disposition

from soundreel.audio.reading.clock import GAP_S, Clock, TimeLine
from soundreel.audio.reading.frames import Samples, seconds
from soundreel.audio.reading.index import is_even
from soundreel.audio.reading.packets import Reader
from soundreel.audio.reading.seek import MOV, Places
from soundreel.audio.reading.tracks import sound_stream
from soundreel.audio.reading.uniform import Uniform
from soundreel.errors import InputError
from soundreel.events import RunControl, SoundRead
from soundreel.media.container import open_media

LOWEST_RATE, HIGHEST_RATE = 1000, 3_072_000
"""Hz; beyond these a header is damaged (the highest is that of DSD512 after decoding)."""

SEEK_FROM_S = 10
"""Segments that begin earlier than this are reached by plain decoding too."""

LOUDEST = 1.01
"""What a float file may have beyond full scale (1) without a word."""

_TS_DISCONT = 0x200
"""FFmpeg's flag of a format whose clock may start anew."""

_TELL_S = 1
"""How often it is told how far reading has come."""

_SILENT_BLOCK = 1 << 16


class Decoder:
    """A context manager over one file; `blocks` may be called again and again.

    container, codec, layout: FFmpeg's names.  rate, channels: of the first frame; a stream whose
    rate or channels change is brought to them.
    tolerant: take what can be decoded, however much is damaged.
    track: which of the sound tracks, from 1; None takes the one that a player would choose.
    end: samples in the whole sound, known once `blocks` has reached its end.
    sample_format: FFmpeg's name for the numbers that it decodes to ("s16p").
    sample_bytes: of one sample in all channels, as decoded.
    peak: the largest value met, where floats may be beyond full scale (1).
    shortfall: how the file ends a little early, in words; set by `damage.require_whole`.

    A packet that cannot be decoded in the middle of a file is silence of its length, as players
    do it; time goes on.
    """

    def __init__(
        self,
        path: Path,
        *,
        tolerant: bool = False,
        track: int | None = None,
        control: RunControl | None = None,
    ) -> None:
        self.path, self.tolerant, self.track = path, tolerant, track
        self.control = control or RunControl()
        self._resources = ExitStack()
        self._used = False
        self._clock: Clock | None = None
        self._uniform: Uniform | None = None
        self.end: int | None = None
        self.peak = 0.0
        self.shortfall = ""

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._resources.close()

    @property
    def start(self) -> Fraction:
        """Second of the file's own clock at which sample 0 is heard."""
        return self._line.start

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
        packet = self._reader.last_packet
        return b"" if packet is None else bytes(packet)

    @property
    def can_seek(self) -> bool:
        """Whether a sample in the middle can be reached without decoding all before it."""
        return self._places.can_seek

    @property
    def remarks(self) -> list[str]:
        """What was met while reading that a user should know."""
        seams = self._clock.seams if self._clock else []
        remarks = [
            f"the clock of {self.path.name} jumps at {position / self.rate:.2f} s: "
            "the sound goes on there without a pause"
            for position in seams
        ]
        changes = self._uniform.changes if self._uniform else []
        remarks += [f"{self.path.name} changes on the way: {change}" for change in changes]
        if self.peak > LOUDEST:
            decibels = 20 * math.log10(self.peak)
            remarks.append(
                f"{self.path.name} goes {decibels:.1f} dB beyond full scale: what is beyond is "
                "clipped; lower it before to keep its shape"
            )
        return remarks

    def blocks(self, start: int = 0) -> Iterator[tuple[int, Samples]]:
        """(position, samples) from sample `start` on, without gaps, to the end of the sound."""
        found = self._sought(start) if start > SEEK_FROM_S * self.rate and self.can_seek else None
        clock, frames = found or self._from_start()
        position = clock.position
        told = time.monotonic()
        for block in self._sound(clock, frames):
            end = position + block.shape[1]
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                whole = (self.declared_samples or 0) / self.rate
                self.control.emit(SoundRead(end / self.rate, whole))
            if end > start:
                skip = max(0, start - position)
                yield position + skip, block[:, skip:]
            position = end
        self.end = position

    def _open(self) -> None:
        self._resources.close()
        self._container = self._resources.enter_context(open_media(self.path))
        self._stream = sound_stream(self._container, self.path, self.track)
        self._reader = Reader(self.path, self._container, self._stream, self.tolerant, self.control)
        self.container = self._container.format.name
        self.codec = self._stream.codec_context.name
        self._used = False
        self._frames = self._reader.frames()
        self._head = self._first_two()
        first = self._head[0]
        self.rate: int = first.sample_rate
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise InputError(
                f"{self.path} states {self.rate} samples a second",
                hint=f"it is damaged, or needs converting: {LOWEST_RATE} to {HIGHEST_RATE} work",
            )
        self.channels: int = first.layout.nb_channels
        self.layout: str = first.layout.name
        self.sample_format: str = first.format.name
        self.sample_bytes: int = first.format.bytes * self.channels
        start = self._first_moment(seconds(first) or Fraction(0))
        base = self._stream.time_base or Fraction(1, self.rate)
        self._line = TimeLine(self.rate, base, start)
        self._places = Places(self._reader, self._head, self._line, self._new_clock())

    def _first_moment(self, sound_begins: Fraction) -> Fraction:
        """Timestamp of sample 0: where the sound begins, or, if other tracks (a video, not a cover)
        begin clearly before it, where those begin."""
        opened = Fraction(self._container.start_time or 0, 1_000_000)
        others = [
            stream
            for stream in (*self._container.streams.video, *self._container.streams.audio)
            if stream.index != self._stream.index
            and not stream.disposition & Disposition.attached_pic
        ]
        return opened if others and sound_begins - opened > GAP_S else sound_begins

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
                hint="it is empty of sound, encrypted (bought m4p) or badly damaged; check that it "
                "plays elsewhere",
            )
        return frames

    def _from_start(self) -> tuple[Clock, Iterator[AudioFrame | None]]:
        if self._used:
            self._open()
        self._used = True
        return self._new_clock(), chain(self._head, self._frames)

    def _new_clock(self) -> Clock:
        flags = int(self._container.format.flags)
        whole = Fraction(self._container.duration or 0, 1_000_000) * self.rate
        return Clock(
            self.rate,
            may_jump=bool(flags & _TS_DISCONT) or "flv" in self.container,
            stated=max(round(whole), self.declared_samples or 0),
            tick=-int(-self._line.tick // 1),
        )

    def _sought(self, start: int) -> tuple[Clock, Iterator[AudioFrame | None]] | None:
        """Jump ahead of `start`, or None where that cannot be done with certainty."""
        self._used = True
        return self._places.reach(start)

    def _sound(self, clock: Clock, frames: Iterator[AudioFrame | None]) -> Iterator[Samples]:
        """The frames' sound at one rate, with silence where sound is missing."""
        uniform = Uniform(self.rate, self.layout)
        self._clock, self._uniform = clock, uniform
        usual = lost = 0
        for frame, following, is_last in _with_next(frames):
            if frame is None:
                lost += 1
                continue
            is_end = is_last and frame.sample_rate == self.rate
            count = self._kept(frame) if is_end else uniform.length(frame)
            gap = lost * usual  # as many samples as every packet of this codec, where that is known
            clock.skip(gap)
            unknown = lost > 0 and not usual
            gap += clock.gap(self._stamp(frame), count, self._stamp(following), lost=unknown)
            if gap:
                yield from map(self._checked, uniform.flush())
                yield from self._silence(gap)
            for block in uniform.push(frame):
                yield self._checked(block[:, :count] if is_end else block)
            lost, usual = 0, count if is_even(self.codec) else 0
        yield from map(self._checked, uniform.flush())

    def _kept(self, frame: AudioFrame) -> int:
        """Samples of the last frame: MP4 says in several ways how much of it is sound and how much
        the encoder's padding."""
        stream, base = self._stream, self._line.base
        whole_table = 0 < len(stream.index_entries) <= stream.frames
        if self.container != MOV or not whole_table or frame.pts is None:
            return frame.samples  # FFmpeg cuts no fragmented file either
        if stream.duration is None:
            return frame.samples
        by_table = round((frame.duration or 0) * base * self.rate)
        end = (stream.start_time or 0) + stream.duration
        beyond = round((frame.pts - end) * base * self.rate) + max(by_table, frame.samples)
        kept = frame.samples - max(0, beyond)
        # The track's end is rounded to the file's clock, often a millisecond.
        if 0 < by_table < frame.samples and abs(by_table - kept) <= self.rate // 1000 + 1:
            kept = by_table
        if kept >= frame.samples == self._head[-1].samples:
            kept = frame.samples - self._itunes_padding()
        return kept if 0 < kept < frame.samples else frame.samples

    def _itunes_padding(self) -> int:
        """The third number of the tag iTunSMPB; FFmpeg cuts it off from version 9 on."""
        fields = self._container.metadata.get("iTunSMPB", "").split()
        try:
            return int(fields[2], 16)
        except (IndexError, ValueError):
            return 0

    def _stamp(self, frame: AudioFrame | None) -> int | None:
        if frame is None or frame.pts is None:
            return None
        return self._line.position(frame.pts)

    def _silence(self, count: int) -> Iterator[Samples]:
        for begin in range(0, count, _SILENT_BLOCK):
            self.control.raise_if_cancelled()
            yield np.zeros((self.channels, min(_SILENT_BLOCK, count - begin)), np.float32)

    def _checked(self, block: Samples) -> Samples:
        """Clipped to full scale; what goes far beyond it is remembered."""
        if self.codec.startswith("pcm_f"):
            self.peak = max(self.peak, float(np.abs(block).max(initial=0)))
        return np.clip(block, -1, 1)


def _with_next(
    frames: Iterator[AudioFrame | None],
) -> Iterator[tuple[AudioFrame | None, AudioFrame | None, bool]]:
    """(frame, the one after it, whether it is the last)."""
    held: AudioFrame | None = None
    begun = False
    for frame in frames:
        if frame is not None and not frame.samples:
            continue
        if begun:
            yield held, frame, False
        held, begun = frame, True
    if begun:
        yield held, None, True
