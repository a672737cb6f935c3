"""The PyAV boundary: one sound file, decoded to floats from any sample on, exact to the sample.

Sample 0 is the first one a player would play: priming and edit lists are already taken off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from soundreel.errors import InputError

Samples = NDArray[np.float32]
"""(channels, n), float32, -1..1."""

SEEK_FROM_S = 10
"""Segments that begin earlier than this are reached by plain decoding."""

PREROLL_S = 1
"""Decoded and thrown away before a segment, until bit reservoirs and overlaps have settled."""

VORBIS_PREROLL_S = 5
"""After a seek, Ogg Vorbis timestamps may be wrong for a while."""

GAP_S = Fraction(1, 10)
"""A larger jump of the timestamps is silence in the file, not jitter."""

BAD_PACKETS = 50
"""So many undecodable packets in a row, and the rest is not sound."""


def check_file(path: Path) -> None:
    """Raise InputError unless `path` is a readable file with something in it."""
    hint = "give a sound file: wav, mp3, m4a, flac, ogg, opus, wma, aiff, or a video with sound"
    if not path.exists():
        raise InputError(f"no such file: {path}", hint=hint)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a sound file", hint=hint)
    if not path.is_file():
        raise InputError(f"{path} is not a regular file", hint=hint)
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as err:
        raise InputError(
            f"cannot read {path}: {err.strerror}", hint="check the permissions of the file"
        ) from err
    if empty:
        raise InputError(f"{path} is empty (0 bytes)", hint=hint)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open with PyAV; whatever goes wrong is an InputError."""
    check_file(path)
    try:
        container = av.open(
            f"file:{os.fspath(path)}",
            metadata_errors="replace",
            options={"protocol_whitelist": "file"},
        )
    except (av.FFmpegError, OSError, ValueError) as err:
        raise InputError(
            f"{path} is not a sound file that can be read ({_reason(err)})",
            hint="check that it plays elsewhere; it may be text, a picture or a broken download",
        ) from err
    with container:
        yield container


class Decoder:
    """Decodes the first sound stream of an open container, once: from a sample to the end.

    rate, channels: of the decoded sound.  start_pts: timestamp of sample 0.
    """

    def __init__(self, container: InputContainer, path: Path, *, tolerant: bool = False) -> None:
        self._container = container
        self._path = path
        self._tolerant = tolerant
        streams = container.streams.audio
        if not streams:
            raise InputError(
                f"{path} has no sound in it",
                hint="give a sound file, or a video with a sound track",
            )
        self.stream = streams[0]
        self._frames = self._decode()
        self._head = self._first_two()
        first = self._head[0]
        self.rate: int = first.sample_rate
        self.channels: int = first.layout.nb_channels
        self._start_s = _seconds(first) or Fraction(0)

    def blocks(self, start: int = 0) -> Iterator[tuple[int, Samples]]:
        """(position, samples) from sample `start` on, without gaps, to the end of the sound."""
        position, frames = 0, chain(self._head, self._frames)
        if start > SEEK_FROM_S * self.rate:
            position, frames = self._seek(start)
        for block in self._fill_gaps(position, frames):
            end = position + block.shape[1]
            if end > start:
                skip = max(0, start - position)
                yield position + skip, block[:, skip:]
            position = end

    def _first_two(self) -> list[AudioFrame]:
        frames = []
        for frame in self._frames:
            if frame is not None and frame.samples:
                frames.append(frame)
            if len(frames) == 2:
                break
        if not frames:
            raise InputError(
                f"{self._path} holds no sound that can be decoded",
                hint="the file is empty of sound or badly damaged; check that it plays elsewhere",
            )
        return frames

    def _decode(self) -> Iterator[AudioFrame | None]:
        """Frames in order; None stands for a packet that could not be decoded."""
        bad = 0
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError, ValueError) as err:
                if self._tolerant:
                    return
                raise self._broken(err) from err
            try:
                decoded = packet.decode()
            except (av.FFmpegError, OSError, ValueError) as err:
                bad += 1
                if bad >= BAD_PACKETS and not self._tolerant:
                    raise self._broken(err) from err
                yield None
                continue
            if decoded:
                bad = 0
            yield from (frame for frame in decoded if isinstance(frame, AudioFrame))

    def _broken(self, err: Exception) -> InputError:
        return InputError(
            f"{self._path} is damaged: its sound cannot be decoded to the end ({_reason(err)})",
            hint="use a whole copy, or add --allow-truncated to use what decodes",
        )

    def _seek(self, start: int) -> tuple[int, Iterator[AudioFrame | None]]:
        """Jump ahead of `start`; decode from the beginning where the file gives no exact place."""
        early = VORBIS_PREROLL_S if self.stream.codec_context.name == "vorbis" else PREROLL_S
        seconds = Fraction(start, self.rate) - early + self._start_s
        base = self.stream.time_base or Fraction(1, self.rate)
        try:
            self._container.seek(int(seconds / base), stream=self.stream, backward=True)
        except (av.FFmpegError, OSError, ValueError) as err:
            raise self._broken(err) from err
        frames = self._decode()
        for frame in frames:
            if frame is not None and frame.samples and frame.pts is not None:
                return self._position(frame), chain([frame], frames)
        return start, iter(())

    def _position(self, frame: AudioFrame) -> int:
        seconds = _seconds(frame)
        return 0 if seconds is None else round((seconds - self._start_s) * self.rate)

    def _fill_gaps(self, position: int, frames: Iterator[AudioFrame | None]) -> Iterator[Samples]:
        lost = False
        for frame in frames:
            if frame is None or frame.sample_rate != self.rate:
                lost = True
                continue
            if frame.pts is not None:
                gap = self._position(frame) - position
                if gap > (0 if lost else GAP_S * self.rate):
                    position += gap
                    yield np.zeros((self.channels, gap), np.float32)
            lost = False
            block = _match_channels(_floats(frame), self.channels)
            position += block.shape[1]
            yield block


def _seconds(frame: AudioFrame) -> Fraction | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * frame.time_base


def _floats(frame: AudioFrame) -> Samples:
    """(channels, n) float32; integers are scaled by their full range, NaN becomes silence."""
    array: NDArray[Any] = frame.to_ndarray()
    if frame.format.is_packed:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / 128
    if array.dtype.kind == "i":
        return array.astype(np.float32) / -float(np.iinfo(array.dtype).min)
    return np.clip(np.nan_to_num(array.astype(np.float32)), -1, 1)


def _match_channels(block: Samples, channels: int) -> Samples:
    """A stream may change between mono and stereo: spread the average where it does."""
    if block.shape[0] == channels:
        return block
    return np.repeat(block.mean(axis=0, keepdims=True), channels, axis=0)


def _reason(err: Exception) -> str:
    return getattr(err, "strerror", None) or str(err) or type(err).__name__
