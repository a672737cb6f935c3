"""What the sound does at each video frame: level, bands, onsets, beats. No lag, flat memory.

Frame i is described by exactly the samples in [start + i/fps, start + (i+1)/fps).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.audio.beats import track_beats
from soundreel.audio.onsets import SILENCE, cut, normalise_onsets, spectral_flux, sum_bands
from soundreel.audio.segment import stream_clip
from soundreel.events import RunControl
from soundreel.timeline.grid import first_sample
from soundreel.types import AudioClip

BAND_EDGES_HZ = tuple(40.0 * 400.0 ** (i / 8) for i in range(9))
"""Eight bands, each 1.08 octaves wide, from 40 Hz to 16 kHz."""

FLOOR_DB = 80.0
"""Bands are 0 at this much below full scale."""

ONSET_RATE = 100
"""Onsets and beats are looked for on about this many blocks a second, whatever the frame rate."""

_BATCH_SAMPLES = 1 << 18
"""So many samples are looked at together."""


@dataclass(frozen=True, slots=True)
class Features:
    """All on the frame grid, N frames, float32 where nothing else is said.

    rms: (N,) root mean square of the averaged channels, 0..1.
    bands: (N, 8) level of each of `BAND_EDGES_HZ`, 0 (80 dB below full scale) .. 1.
    onset: (N,) how much new sound begins in the frame, 0..1; exactly 0 in silence.
    tempo: beats a minute; None where there is no steady pulse.
    beat_frames: (K,) int64, the frames that contain a beat; empty without a tempo.
    beat_phase: (N,) 0 on a beat, rising towards 1 at the next; all 0 without a tempo.
    """

    rms: NDArray[np.float32]
    bands: NDArray[np.float32]
    onset: NDArray[np.float32]
    tempo: float | None
    beat_frames: NDArray[np.int64]
    beat_phase: NDArray[np.float32]


def analyse(
    clip: AudioClip, fps: Fraction, num_frames: int, control: RunControl | None = None
) -> Features:
    """Decode `num_frames` frames from the clip's start on, once, and describe them: what the file
    has, also where the clip has ended. Raises InputError."""
    start, rate = clip.start, clip.rate
    blocks_per_frame = max(1, round(ONSET_RATE / fps))
    sound = stream_clip(clip, start, num_frames / fps, mono=True, past_end=True, control=control)
    parts: list[tuple[NDArray[np.float32], ...]] = []
    longest = math.ceil(rate / fps)
    state = SILENCE
    for samples, edges in _frame_batches(sound, start, fps, num_frames, rate):
        inner = _subdivide(edges, blocks_per_frame)
        rows = cut(samples, edges, longest)
        piece, state = spectral_flux(samples, inner, -(-longest // blocks_per_frame), rate, state)
        parts.append((_rms(rows, edges), _bands(rows, rate), piece))
    rms, bands, flux = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    block_rate = float(blocks_per_frame * fps)
    onset = normalise_onsets(flux, block_rate)
    tempo, beats = track_beats(onset, block_rate)
    beat_frames = np.unique(beats // blocks_per_frame)
    return Features(
        rms,
        bands,
        onset.reshape(num_frames, blocks_per_frame).max(axis=1),
        tempo,
        beat_frames,
        _phase(beats / blocks_per_frame, num_frames),
    )


def _frame_batches(
    sound: Iterator[NDArray[np.float32]], start: Fraction, fps: Fraction, num_frames: int, rate: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """(samples of some frames, edges of these frames within them)."""
    origin = first_sample(start, rate)
    pending = np.zeros(0, np.float32)
    batch = max(1, int(_BATCH_SAMPLES * fps / rate))
    for begin in range(0, num_frames, batch):
        frames = range(begin, min(begin + batch, num_frames) + 1)
        edges = np.array([first_sample(start + i / fps, rate) for i in frames]) - origin
        edges -= edges[0]
        got = [pending]
        while sum(map(len, got)) < edges[-1]:
            got.append(next(sound)[0])
        samples = np.concatenate(got)
        pending = samples[edges[-1] :]
        yield samples[: edges[-1]], edges


def _subdivide(edges: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Edges of `parts` blocks in each frame; no block crosses a frame's edge."""
    steps = np.arange(parts)
    inner = edges[:-1, None] + np.diff(edges)[:, None] * steps // parts
    return np.append(inner.ravel(), edges[-1])


def _rms(rows: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.float32]:
    mean: NDArray[np.float64] = (rows.astype(np.float64) ** 2).sum(axis=1) / np.maximum(
        1, np.diff(edges)
    )
    return np.sqrt(mean).astype(np.float32)


def _bands(rows: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(frames, 8) log levels from a zero-padded FFT of the frame's own samples."""
    length = rows.shape[1]
    size = 1 << max(11, math.ceil(math.log2(length)) + 1)
    taper = np.hanning(length + 2)[1:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(rows * taper, size)) ** 2 * (2 / (size * (taper**2).sum()))
    sums = sum_bands(power, np.array(BAND_EDGES_HZ) * size / rate)
    level: NDArray[np.float64] = 10 * np.log10(2 * sums.clip(1e-12))
    return (level / FLOOR_DB + 1).clip(0, 1).astype(np.float32)


def _phase(beats: NDArray[np.float64], num_frames: int) -> NDArray[np.float32]:
    """0 at each beat (in frames), rising to 1 at the next; carried on beyond the outer beats."""
    if len(beats) < 2:
        return np.zeros(num_frames, np.float32)
    beats = np.floor(beats)
    frames = np.arange(num_frames, dtype=np.float64)
    count = np.interp(frames, beats, np.arange(len(beats)))
    period = (beats[-1] - beats[0]) / (len(beats) - 1)
    count = np.where(frames < beats[0], (frames - beats[0]) / period, count)
    last = len(beats) - 1
    count = np.where(frames > beats[-1], last + (frames - beats[-1]) / period, count)
    return (count % 1).astype(np.float32)
