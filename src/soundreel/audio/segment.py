"""A stretch of a sound file, exact to the sample, as a stream of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.reading.damage import require_whole
from soundreel.audio.reading.decode import Decoder
from soundreel.audio.reading.frames import Samples
from soundreel.audio.resample import resample
from soundreel.audio.silence import silenced
from soundreel.events import RunControl
from soundreel.timeline.grid import first_sample, samples_between
from soundreel.types import AudioClip

_BLOCK = 16384


def stream(
    path: Path,
    start: Fraction,
    duration: Fraction,
    *,
    rate: int | None = None,
    mono: bool = False,
    mix: Sequence[float] = (),
    allow_truncated: bool = False,
    track: int | None = None,
    control: RunControl | None = None,
    remark: Callable[[str], None] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Blocks (channels, n) of the sound in [start, start + duration), -1..1.

    All samples j with start <= j / rate < start + duration, j counted from the beginning of the
    file (`grid.samples_between` of them), so adjoining segments join without a seam. Zeros before
    and after the file's sound. rate None keeps the file's own; mono gives one channel, by the
    weights of `mix` or else the average. remark: called at the end for what the user should know.
    Raises InputError, also where the file breaks off (unless `allow_truncated`).
    """
    with Decoder(path, tolerant=allow_truncated, track=track, control=control) as decoder:
        wanted = rate or decoder.rate
        first, last = first_sample(start, wanted), first_sample(start + duration, wanted)

        if wanted == decoder.rate:
            yield from _native(decoder, first, last, mono, mix)
        else:
            yield from _converted(decoder, wanted, first, last, mono, mix)
        if remark is not None:
            for text in decoder.remarks:
                remark(text)


def read(
    path: Path,
    start: Fraction,
    duration: Fraction,
    *,
    rate: int | None = None,
    mono: bool = False,
    allow_truncated: bool = False,
    track: int | None = None,
) -> NDArray[np.float32]:
    """The blocks of `stream` as one array (channels, n); mono gives (1, n)."""
    blocks = stream(
        path,
        start,
        duration,
        rate=rate,
        mono=mono,
        allow_truncated=allow_truncated,
        track=track,
    )
    return np.concatenate(list(blocks), axis=1)


def stream_clip(
    clip: AudioClip,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    *,
    rate: int | None = None,
    mono: bool = False,
    past_end: bool = False,
    control: RunControl | None = None,
    remark: Callable[[str], None] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """`stream` of a clip's sound: silent from the clip's `sound_end` on.

    start, duration: another window of the file, in its seconds (a lead-in reaches before the clip);
    without them the whole clip.
    past_end: what the file has after `sound_end` instead of silence.
    """
    begin = clip.start if start is None else start
    end = begin + (clip.duration if duration is None else duration)
    heard = end if past_end else min(max(clip.sound_end, begin), end)
    wanted = rate or clip.rate
    if clip.parts:
        heard, blocks = end, _of_parts(clip, begin, end, wanted, past_end, control)
    elif not clip.has_sound:
        heard, blocks = begin, iter(())
    else:
        blocks = stream(
            clip.path,
            begin,
            heard - begin,
            rate=rate,
            mono=mono,
            mix=clip.mix,
            allow_truncated=clip.allow_truncated,
            track=clip.track,
            control=control,
            remark=remark,
        )
    position = first_sample(begin, wanted)
    for block in blocks:
        yield silenced(block, position, wanted, clip.silent) if clip.silent else block
        position += block.shape[1]
    channels = 1 if mono else clip.channels or 1
    yield from _silence(channels, samples_between(heard, end, wanted))


def _of_parts(
    clip: AudioClip,
    begin: Fraction,
    end: Fraction,
    rate: int,
    past_end: bool,
    control: RunControl | None,
) -> Iterator[NDArray[np.float32]]:
    """The parts of [begin, end) one after the other: adjoining stretches join without a seam. The
    first one holds before its beginning too."""
    yield np.zeros((1, 0), np.float32)
    edges = [begin, *(start for start, _ in clip.parts[1:]), end]
    for (first, last), (_, part) in zip(pairwise(edges), clip.parts, strict=True):
        first, last = max(first, begin), min(last, end)
        if first < last:
            yield from stream_clip(
                part, first, last - first, rate=rate, mono=True, past_end=past_end, control=control
            )


def read_clip(
    clip: AudioClip,
    start: Fraction | None = None,
    duration: Fraction | None = None,
    *,
    rate: int | None = None,
    mono: bool = False,
    past_end: bool = False,
    control: RunControl | None = None,
) -> NDArray[np.float32]:
    """The blocks of `stream_clip` as one array (channels, n)."""
    blocks = stream_clip(
        clip, start, duration, rate=rate, mono=mono, past_end=past_end, control=control
    )
    return np.concatenate(list(blocks), axis=1)


def _converted(
    decoder: Decoder, rate: int, first: int, last: int, mono: bool, mix: Sequence[float]
) -> Iterator[Samples]:
    """Samples [first, last) at another rate; the filter does not ring beyond the file's ends."""

    def native(begin: int, end: int) -> Iterator[Samples]:
        return _native(decoder, begin, end, mono, mix)

    yield np.zeros((1 if mono else decoder.channels, 0), np.float32)
    ratio = Fraction(rate, decoder.rate)
    for block in resample(native, ratio.numerator, ratio.denominator, first, last):
        block[:, : max(0, -first)] = 0
        if decoder.end is not None:
            block[:, max(0, first_sample(Fraction(decoder.end, decoder.rate), rate) - first) :] = 0
        yield block
        first += block.shape[1]


def _native(
    decoder: Decoder, begin: int, end: int, mono: bool, mix: Sequence[float]
) -> Iterator[Samples]:
    """Samples [begin, end) at the file's own rate, silence outside the file; never empty."""
    channels = 1 if mono else decoder.channels
    yield np.zeros((channels, 0), np.float32)
    done = begin
    if end > max(0, begin):
        for position, block in decoder.blocks(max(0, begin)):
            if position >= end:
                break
            yield from _silence(channels, position - done)
            block = block[:, : end - position]
            yield _mixed(block, mix) if mono else block
            done = position + block.shape[1]
            if done == end:
                return
        require_whole(decoder, done)
    yield from _silence(channels, end - done)


def _mixed(block: Samples, mix: Sequence[float]) -> Samples:
    if not mix:
        return np.asarray(block.mean(axis=0, keepdims=True))
    weights = np.array([mix], np.float32)
    return np.asarray(np.clip(weights @ block, -1, 1), np.float32)


def _silence(channels: int, count: int) -> Iterator[Samples]:
    for begin in range(0, count, _BLOCK):
        yield np.zeros((channels, min(_BLOCK, count - begin)), np.float32)
