"""What a sound file is: its kind, its rate and its exact length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from soundreel.audio.reading.damage import require_whole
from soundreel.audio.reading.decode import Decoder
from soundreel.events import RunControl
from soundreel.types import AudioClip

_TAIL_S = 5
"""So much of the end is decoded to find the last sample."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """A sound file. `num_samples` per channel is exact; names are those of FFmpeg.

    shortfall: how the file ends a little early, in words; mostly "".
    """

    path: Path
    container: str
    codec: str
    rate: int
    channels: int
    num_samples: int
    allow_truncated: bool = False
    track: int | None = None
    layout: str = ""
    shortfall: str = ""

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.num_samples, self.rate)

    @property
    def clip(self) -> AudioClip:
        """All of the file's sound."""
        return AudioClip(
            self.path,
            Fraction(0),
            self.duration,
            self.duration,
            self.rate,
            self.channels,
            self.allow_truncated,
            self.track,
            self.layout,
        )


def probe(
    path: Path,
    *,
    allow_truncated: bool = False,
    track: int | None = None,
    control: RunControl | None = None,
) -> AudioInfo:
    """Look at a file: its end is decoded, and all of it only where the end cannot be found.

    Raises InputError where it is not sound, or where it breaks off in the middle (unless
    `allow_truncated`: then num_samples is what there is).
    """
    with Decoder(path, tolerant=allow_truncated, track=track, control=control) as decoder:
        count = count_samples(decoder)
        require_whole(decoder, count)
        return AudioInfo(
            path,
            decoder.container,
            decoder.codec,
            decoder.rate,
            decoder.channels,
            count,
            allow_truncated,
            track,
            decoder.layout,
            decoder.shortfall,
        )


def count_samples(decoder: Decoder) -> int:
    """Samples per channel, counted to the last one."""
    declared = decoder.declared_samples
    if declared is not None and decoder.can_seek:
        count = _end_of(decoder, max(0, declared - _TAIL_S * decoder.rate))
        if count:
            return count
    return _end_of(decoder, 0)


def _end_of(decoder: Decoder, start: int) -> int:
    count = 0
    for position, block in decoder.blocks(start):
        count = position + block.shape[1]
    return count
