"""What a sound file is: its kind, its rate and its exact length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from soundreel.audio.decode import Decoder, open_container


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """A sound file. `num_samples` per channel is exact; names are those of FFmpeg."""

    path: Path
    container: str
    codec: str
    rate: int
    channels: int
    num_samples: int

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(self.num_samples, self.rate)


def probe(path: Path, *, allow_truncated: bool = False) -> AudioInfo:
    """Look at a file. Raises InputError where it is no sound, or breaks off in the middle."""
    with open_container(path) as container:
        decoder = Decoder(container, path, tolerant=allow_truncated)
        count = 0
        for position, block in decoder.blocks():
            count = position + block.shape[1]
        return AudioInfo(
            path,
            container.format.name,
            decoder.stream.codec_context.name,
            decoder.rate,
            decoder.channels,
            count,
        )
