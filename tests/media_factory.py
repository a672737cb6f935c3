"""Test media, made in code: sounds as arrays (channels, n) float32, and files of any format.

Files are written with PyAV, so they need no tool beside what soundreel itself needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from soundreel.audio.features import Features, analyse
from soundreel.audio.load import probe

Samples = NDArray[np.float32]
RATE = 44100

CODECS: Mapping[str, str] = {
    ".wav": "pcm_s16le",
    ".aiff": "pcm_s16be",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".aac": "aac",
    ".mp4": "aac",
    ".mov": "aac",
    ".mkv": "aac",
    ".wma": "wmav2",
    ".ogg": "vorbis",
    ".opus": "libopus",
    ".webm": "libopus",
}
"""What `write_audio` takes for a file name without being told a codec."""


VBR_MP3: Mapping[str, str] = {"flags": "+qscale", "global_quality": str(2 * 118)}
"""Options that make libmp3lame write frames of different lengths."""


def silence(seconds: float, *, rate: int = RATE, channels: int = 1) -> Samples:
    return np.zeros((channels, round(seconds * rate)), np.float32)


def sine(
    seconds: float,
    hertz: float = 440.0,
    *,
    rate: int = RATE,
    channels: int = 1,
    level: float = 0.5,
) -> Samples:
    """Channel c is a quarter turn times c late, so channels differ."""
    turns = hertz * np.arange(round(seconds * rate)) / rate
    phases = np.arange(channels)[:, None] / 4
    return (level * np.sin(2 * np.pi * (turns - phases))).astype(np.float32)


def sweep(
    seconds: float,
    low: float = 50.0,
    high: float = 8000.0,
    *,
    rate: int = RATE,
    channels: int = 1,
    level: float = 0.5,
) -> Samples:
    """A logarithmic sweep: no stretch of it looks like another, so a shift shows."""
    time = np.arange(round(seconds * rate)) / rate
    ratio = np.log(high / low)
    turns = low * seconds / ratio * np.expm1(time / seconds * ratio)
    phases = np.arange(channels)[:, None] / 4
    return (level * np.sin(2 * np.pi * (turns - phases))).astype(np.float32)


def noise(
    seconds: float, *, rate: int = RATE, channels: int = 1, level: float = 0.1, seed: int = 0
) -> Samples:
    """White noise, the same for a seed; clipped to -1..1."""
    random = np.random.default_rng(seed)
    values = level * random.standard_normal((channels, round(seconds * rate)), np.float32)
    return np.clip(values, -1, 1)


def clicks(
    seconds: float,
    times: Sequence[float],
    *,
    rate: int = RATE,
    channels: int = 1,
    level: float = 0.8,
    background: float = 0.0,
) -> Samples:
    """A sharp 15 ms click at each of `times`; the sample at ceil(time * rate) is its loudest."""
    sound = noise(seconds, rate=rate, channels=channels, level=background)
    length = round(0.015 * rate)
    decay = np.exp(-np.arange(length) / (0.003 * rate))
    random = np.random.default_rng(7)
    grain = random.uniform(-0.7, 0.7, length)
    grain[0] = 1
    click = (level * decay * grain).astype(np.float32)
    for time in times:
        begin = int(np.ceil(round(time * rate, 6)))
        room = sound[:, begin : begin + length]
        room += click[: room.shape[1]]
    return np.clip(sound, -1, 1)


def beat_times(seconds: float, bpm: float, *, first: float = 0.25) -> list[float]:
    """Seconds of the beats of a steady tempo, the last one well before the end."""
    return [float(time) for time in np.arange(first, seconds - 0.1, 60 / bpm)]


def click_track(
    seconds: float, bpm: float = 120.0, *, rate: int = RATE, channels: int = 1, first: float = 0.25
) -> Samples:
    """Clicks at `beat_times` on silence."""
    return clicks(seconds, beat_times(seconds, bpm, first=first), rate=rate, channels=channels)


def speech_like(
    seconds: float, *, rate: int = RATE, channels: int = 1, seed: int = 0, level: float = 0.4
) -> Samples:
    """Syllables of uneven length: a wavering buzz through moving formants, with pauses."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    sound = np.zeros(count)
    place = 0
    while place < count:
        length = min(round(random.uniform(0.08, 0.3) * rate), count - place)
        sound[place : place + length] = _syllable(length, rate, random)
        place += length + round(random.choice([0.02, 0.05, 0.35], p=[0.5, 0.3, 0.2]) * rate)
    peak = max(float(np.abs(sound).max(initial=0)), 1e-9)
    return np.repeat((sound * level / peak).astype(np.float32)[None], channels, axis=0)


def _syllable(length: int, rate: int, random: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(length) / rate
    pitch = random.uniform(95, 160) * (1 + 0.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = random.uniform([300, 900], [800, 2200])
    voice = np.zeros(length)
    for harmonic in range(1, 24):
        hertz = harmonic * pitch.mean()
        if hertz > rate / 2:
            break
        gain = np.exp(-(((hertz - formants) / 200) ** 2)).sum() + 0.05
        voice += gain * np.sin(harmonic * phase)
    shape = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.015 * rate))
    return voice * shape


def write_audio(
    path: Path,
    samples: Samples,
    rate: int = RATE,
    *,
    codec: str | None = None,
    bit_rate: int | None = None,
    container: str | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Write (channels, n) in the format of the file name; libopus wants 48000 Hz, vorbis stereo."""
    with av.open(str(path), "w", format=container, options=dict(container_options or {})) as output:
        stream = _sound_stream(output, path, samples, rate, codec, bit_rate, options)
        _encode_sound(output, stream, samples, rate)
    return path


def write_video(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]] | int = 16,
    fps: Fraction = Fraction(16),
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    samples: Samples | None = None,
    rate: int = RATE,
    sound_codec: str | None = None,
    sound_start: Fraction = Fraction(0),
    options: Mapping[str, str] | None = None,
) -> Path:
    """A video with the pictures (or so many of a drifting gradient), and the sound if given, which
    begins `sound_start` seconds after the pictures."""
    frames = _gradients(pictures, size) if isinstance(pictures, int) else pictures
    with av.open(str(path), "w") as output:
        height, width = frames[0].shape[:2]
        video = output.add_stream(codec, rate=fps, width=width, height=height)
        assert isinstance(video, av.VideoStream)
        video.pix_fmt = "yuv420p"
        video.options = dict(options or {})
        sound = None
        if samples is not None:
            sound = _sound_stream(output, path, samples, rate, sound_codec, None, None)
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = index
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound is not None and samples is not None:
            _encode_sound(output, sound, samples, rate, round(sound_start * rate))
    return path


def _gradients(count: int, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    width, height = size
    across = np.linspace(0, 200, width)[None, :, None]
    down = np.linspace(0, 55, height)[:, None, None]
    tints = np.array([1.0, 0.6, 0.3])
    return [((across + down + 8 * i) * tints % 256).astype(np.uint8) for i in range(count)]


def _sound_stream(
    output: av.container.OutputContainer,
    path: Path,
    samples: Samples,
    rate: int,
    codec: str | None,
    bit_rate: int | None,
    options: Mapping[str, str] | None,
) -> av.AudioStream:
    name = codec or CODECS[path.suffix]
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[samples.shape[0]]
    stream = output.add_stream(name, rate=rate, layout=layout)
    assert isinstance(stream, av.AudioStream)
    chosen: dict[str, object] = {**(options or {})}
    if name in ("vorbis", "opus", "dca"):
        chosen.setdefault("strict", "-2")
    stream.options = chosen
    if bit_rate or name.startswith("wma"):
        stream.bit_rate = bit_rate or 128_000
    return stream


def _encode_sound(
    output: av.container.OutputContainer,
    stream: av.AudioStream,
    samples: Samples,
    rate: int,
    start: int = 0,
) -> None:
    layout = stream.codec_context.layout.name
    for begin in range(0, samples.shape[1], rate):
        block = np.ascontiguousarray(samples[:, begin : begin + rate].T, np.float32)
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = rate
        frame.pts = start + begin
        frame.time_base = Fraction(1, rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def features_of(
    path: Path, start: Fraction, fps: Fraction, num_frames: int, *, allow_truncated: bool = False
) -> Features:
    """What a file sounds like from second `start` on."""
    clip = probe(path, allow_truncated=allow_truncated).clip
    return analyse(replace(clip, start=start), fps, num_frames)
