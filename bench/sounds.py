"""Sounds for benches and galleries, made in code: a piece of music, clicks, a sweep, silence.

All return (n,) or (2, n) float32 at RATE.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 44_100
BPM = 112
Sound = NDArray[np.float32]

_BEAT = 60 / BPM
_BAR = 4 * _BEAT
_CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # Am F C G

PARTS = (
    # name, bars
    ("intro", 2),
    ("verse", 6),
    ("chorus", 6),
    ("verse", 4),
    ("chorus", 6),
    ("outro", 2),
)


def write_wav(path: Path, sound: Sound) -> None:
    """16-bit PCM."""
    channels = np.atleast_2d(sound)
    data = (np.clip(channels.T, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels.shape[0])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def clicks(seconds: float, every: float, first: float = 0.5) -> Sound:
    """Bursts of noise, 4 ms long."""
    out = silence(seconds)
    burst = np.random.default_rng(1).uniform(-0.9, 0.9, round(0.004 * RATE)).astype(np.float32)
    for start in np.arange(first, seconds - 0.01, every):
        at = round(float(start) * RATE)
        out[at : at + len(burst)] = burst[: len(out) - at]
    return out


def sweep(seconds: float, low: float = 40, high: float = 14_000) -> Sound:
    """A sine that rises through all bands, as many octaves a second throughout."""
    t = _time(seconds)
    rate = np.log(high / low) / seconds
    phase = 2 * np.pi * low * (np.exp(rate * t) - 1) / rate
    return np.asarray(0.5 * np.sin(phase), dtype=np.float32)


def music() -> Sound:
    """(2, n): drums, bass, pads, arpeggio and lead over `PARTS`; a minute."""
    bars = sum(count for _, count in PARTS)
    mix = np.zeros((2, round((bars * _BAR + 2.0) * RATE)), dtype=np.float32)
    bar = 0
    for name, count in PARTS:
        for k in range(count):
            _write_bar(mix, name, bar, last=k == count - 1)
            bar += 1
    return np.asarray(np.tanh(mix * 1.3) * 0.8, dtype=np.float32)


def _write_bar(mix: Sound, part: str, bar: int, *, last: bool) -> None:
    start, chord = bar * _BAR, _CHORDS[bar % 4]
    full = part == "chorus"
    _add(mix, start, _pad(chord, _BAR * 1.05, bright=full), 0.16 if full else 0.10)
    if part == "verse" or full:
        _drums(mix, start, full=full, fill=last)
        _bass(mix, start, chord[0] - 24 if chord[0] > 50 else chord[0] - 12, full=full)
    if full or part == "intro":
        _arpeggio(mix, start, chord, 0.16 if full else 0.09)
    if full:
        _lead(mix, start, chord, bar)


def _drums(mix: Sound, start: float, *, full: bool, fill: bool) -> None:
    for step in range(16):
        at = start + step * _BEAT / 4
        if step in ((0, 4, 8, 12) if full else (0, 8, 10)):
            _add(mix, at, _kick(), 0.75 if full else 0.55)
        if step in (4, 12) or (fill and step >= 12):
            _add(mix, at, _snare(), 0.42 if full else 0.26)
        if full or step % 2 == 0:
            _add(mix, at, _hat(open_=full and step % 4 == 2), 0.16 if full else 0.08, pan=0.3)


def _bass(mix: Sound, start: float, note: int, *, full: bool) -> None:
    for step in range(8) if full else (0, 3, 6):
        _add(mix, start + step * _BEAT / 2, _saw(note, _BEAT * 0.45, 400), 0.35 if full else 0.28)


def _arpeggio(mix: Sound, start: float, chord: tuple[int, ...], gain: float) -> None:
    for step in range(16):
        note = chord[step % 3] + 12 * (1 + step // 3 % 2)
        _add(mix, start + step * _BEAT / 4, _pluck(note), gain, pan=0.6 * (-1) ** step)


def _lead(mix: Sound, start: float, chord: tuple[int, ...], bar: int) -> None:
    for beat, note in ((0, chord[2] + 12), (1.5, chord[1] + 12), (3, chord[bar % 3] + 14)):
        _add(mix, start + beat * _BEAT, _saw(note, _BEAT * 1.2, 3500, vibrato=5.5), 0.13)


def _add(mix: Sound, at: float, sound: Sound, gain: float, pan: float = 0.0) -> None:
    first = round(at * RATE)
    part = sound[: mix.shape[1] - first]
    mix[0, first : first + len(part)] += gain * (1 - max(pan, 0)) * part
    mix[1, first : first + len(part)] += gain * (1 + min(pan, 0)) * part


def _time(seconds: float) -> NDArray[np.float64]:
    return np.arange(round(seconds * RATE)) / RATE


def _hertz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _kick() -> Sound:
    t = _time(0.28)
    tone = np.sin(2 * np.pi * (48 * t + 6 * (1 - np.exp(-t * 28)))) * np.exp(-t * 12)
    return np.asarray(tone, dtype=np.float32)


def _snare() -> Sound:
    t = _time(0.22)
    noise = np.random.default_rng(2).normal(0, 0.5, len(t))
    return (noise * np.exp(-t * 22) + 0.5 * np.sin(2 * np.pi * 185 * t) * np.exp(-t * 26)).astype(
        "f4"
    )


def _hat(*, open_: bool) -> Sound:
    t = _time(0.25 if open_ else 0.06)
    noise = np.diff(np.random.default_rng(3).normal(0, 0.6, len(t) + 2), n=2)
    return (noise * np.exp(-t * (16 if open_ else 70))).astype("f4")


def _pluck(note: int) -> Sound:
    t = _time(0.35)
    tone = sum(np.sin(2 * np.pi * _hertz(note) * k * t) / k for k in (1, 2, 3))
    return (tone * np.exp(-t * 11)).astype("f4")


def _saw(note: float, seconds: float, cutoff: float, vibrato: float = 0.0) -> Sound:
    """Additive, partials falling away above `cutoff`."""
    t = _time(seconds)
    base = _hertz(note)
    phase = 2 * np.pi * base * t + (0.25 * np.sin(2 * np.pi * vibrato * t) if vibrato else 0)
    partials = range(1, max(2, min(24, int(9000 / base))))
    tone = sum(np.sin(k * phase) / k / (1 + (k * base / cutoff) ** 2) for k in partials)
    return (tone * _envelope(t, 0.008, 0.06)).astype("f4")


def _pad(chord: tuple[int, ...], seconds: float, *, bright: bool) -> Sound:
    cutoff = 2600 if bright else 900
    voices = [_saw(n + d, seconds, cutoff) for n in chord for d in (-0.07, 0.07)]
    t = _time(seconds)
    return (sum(voices) * _envelope(t, 0.25, 0.35)).astype("f4")


def _envelope(t: NDArray[np.float64], attack: float, release: float) -> NDArray[np.float64]:
    end = t[-1] if len(t) else 0.0
    return np.clip(t / attack, 0, 1) * np.clip((end - t) / release, 0, 1)
