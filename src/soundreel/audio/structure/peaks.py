"""What a waveform is drawn of: the loudest sample in each of many equal stretches of a sound."""

from __future__ import annotations

import math

import numpy as np

from soundreel.audio.segment import stream_clip
from soundreel.events import RunControl
from soundreel.types import AudioClip

FULL = 100
"""A sample at full scale."""


def peaks(clip: AudioClip, count: int, control: RunControl | None = None) -> list[int]:
    """Of `count` stretches, fewer where there are fewer samples; each 0 to `FULL`, whatever the
    channel. Memory does not grow with the sound. Raises InputError."""
    total = math.ceil(clip.duration * clip.rate)
    count = min(count, total)
    first = np.arange(count, dtype=np.int64) * total // count  # sample of each stretch
    loudest = np.zeros(count, np.float32)
    position = 0
    for block in stream_clip(clip, control=control):
        level, past = np.abs(block).max(axis=0), position + block.shape[1]
        here = int(np.searchsorted(first, position, "right")) - 1
        then = int(np.searchsorted(first, past))
        begins = np.maximum(first[here:then] - position, 0)
        loudest[here:then] = np.maximum(loudest[here:then], np.maximum.reduceat(level, begins))
        position = past
    return [int(level) for level in np.rint(np.clip(loudest, 0, 1) * FULL)]
