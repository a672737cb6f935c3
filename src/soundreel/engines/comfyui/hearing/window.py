"""Which stretch of sound is sent for a chunk.

Time is counted in buckets of 1/16 s (1000 samples at 16 kHz), from the clip's first picture. A clip
of up to a minute is sent whole, the same bytes for every chunk; of a longer one a window around
the chunk, brought to the clip's own level (see level.py).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from soundreel.engines.comfyui.hearing.level import (
    WINDOW,
    Samples,
    Sound,
    calibration,
    even_length,
    measure_level,
)
from soundreel.engines.wan22 import MOTION_LATENTS, PICTURE_RATE, SAMPLE_RATE
from soundreel.events import RunControl
from soundreel.timeline.grid import FRAMES_PER_LATENT, ceil_to, floor_to, latents_for, slots_for
from soundreel.types import Chunk, Plan

WHOLE = 60 * PICTURE_RATE
_BEFORE = slots_for(59)
"""Sound in front of a chunk: about half of what a window holds beside it, in whole latents."""


@dataclass(frozen=True, slots=True)
class Span:
    """Buckets [first, end) of the clip; the chunk's own begin `before` buckets after `first`."""

    first: int
    end: int
    before: int


class SoundWindows:
    """The uploads of one plan's chunks. Reads all of the clip once, to know its level."""

    def __init__(self, plan: Plan, control: RunControl | None = None) -> None:
        self._plan = plan
        self._end = max(_position(plan, chunk) + chunk.generated_frames for chunk in plan.chunks)
        self._whole = len(plan.shots) == 1 and self._end <= WHOLE
        self._level = None
        self._sound = Sound(plan.audio, self._end, control)
        if not self._whole:
            spans = [(span.first, span.end) for span in map(self.span, plan.chunks)]
            self._level = measure_level(self._sound, plan.num_frames, spans, control)

    def span(self, chunk: Chunk) -> Span:
        """A shot's first chunk begins with its sound, and so do those after it that have fewer
        latents before them than motion takes; a later one has sound in front of it."""
        position = _position(self._plan, chunk)
        if self._whole:
            return Span(0, self._end, position)
        early = chunk.first_slot < slots_for(MOTION_LATENTS)
        before = chunk.first_slot if early else _sound_before(position, self._end)
        first = position - before
        end = max(first + WINDOW, position + chunk.generated_frames)
        return Span(first, min(end, self._end), before)

    def wav(self, chunk: Chunk) -> tuple[bytes, int]:
        """The upload for this chunk, and how many latent frames of it lie before the chunk."""
        span = self.span(chunk)
        sound = self._sound.buckets(span.first, span.end)
        if self._level is None:
            tail = np.zeros(even_length(len(sound)) - len(sound), np.float32)
        else:
            tail = calibration(sound, self._level)
        return wav_bytes(np.concatenate([sound, tail])), latents_for(span.before)


def wav_bytes(samples: Samples) -> bytes:
    """Mono 16 kHz WAV of 32-bit floats: values beyond 1 survive, and quiet ones keep their bits."""
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHHH", 3, 1, SAMPLE_RATE, SAMPLE_RATE * 4, 4, 32, 0)
    fact = struct.pack("<I", len(samples))
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(part)) + part
        for name, part in ((b"fmt ", form), (b"fact", fact), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def motion_latents(chunk: Chunk) -> int:
    """Latent frames that the chunk's motion is taken from: the last 19 of its shot, or all."""
    return min(MOTION_LATENTS, latents_for(chunk.first_slot))


def _position(plan: Plan, chunk: Chunk) -> int:
    """Bucket of the clip that the chunk's first slot hears."""
    return plan.shots[chunk.shot].start_frame + chunk.first_slot


def _sound_before(position: int, end: int) -> int:
    """Buckets in front of a chunk at `position`, in whole latents: more of them near the clip's
    end, so that the window keeps its length, and all that there are near its beginning."""
    wanted = max(_BEFORE, ceil_to(position - (end - WINDOW), FRAMES_PER_LATENT))
    return min(wanted, floor_to(position, FRAMES_PER_LATENT))
