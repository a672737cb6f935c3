"""Reading and describing sound: CPU time of a far segment against decoding everything before it,
of the features of four minutes, beat accuracy, and memory for an hour against a minute."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from bench import sounds
from bench.measure import run_command
from soundreel.audio.features import analyse
from soundreel.audio.load import probe
from soundreel.audio.segment import read, stream, stream_clip
from soundreel.audio.structure.cuts import propose_cuts
from soundreel.audio.structure.describe import describe

RATE = 8000
HOUR_S, MINUTE_50_S, SONG_S = 3600, 3000, 240
WINDOW_S = 0.07
CUTS_GOAL_S = 3
FPS = Fraction(16)

_ANALYSE = """
import sys
from fractions import Fraction
from pathlib import Path
from soundreel.audio.features import analyse
from soundreel.audio.load import probe
analyse(probe(Path(sys.argv[1])).clip, Fraction(16), 16 * int(sys.argv[2]))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hour = _write(folder / "hour.flac", "flac", _minute(), RATE, HOUR_S // 60)
        _bench_memory(hour)  # first: a child's peak begins at what its parent holds
        _bench_far_segment(hour)
        for ending, codec in {"mp3": "libmp3lame", "m4a": "aac"}.items():
            path = _write(folder / f"hour.{ending}", codec, _minute(), RATE, HOUR_S // 60)
            _bench_far_segment(path)
        for bpm in (90, 120):
            _bench_song(folder, bpm)
        _bench_cuts(folder)


def _bench_far_segment(path: Path) -> None:
    probing = _cpu_s(lambda: probe(path))
    segment = _cpu_s(lambda: read(path, Fraction(MINUTE_50_S), Fraction(10)))
    before = _cpu_s(lambda: _drain(path, MINUTE_50_S + 10))
    print(
        f"{path.suffix[1:]}, one hour: length {probing:.3f} CPU s; 10 s at minute 50 "
        f"{segment:.3f} CPU s, {before / segment:.0f}x less than decoding up to there"
    )


def _bench_cuts(folder: Path) -> None:
    """Four minutes of a song in stereo at 44.1 kHz."""
    song = sounds.music()
    path = folder / "song.wav"
    sounds.write_wav(path, np.tile(song, 1 + SONG_S * sounds.RATE // song.shape[-1]))
    clip = probe(path).clip
    clip = replace(clip, duration=Fraction(SONG_S), sound_duration=Fraction(SONG_S))
    reading = _cpu_s(lambda: [None for _ in stream_clip(clip, mono=True)])
    cuts: list[Fraction] = []
    finding = _cpu_s(lambda: cuts.extend(propose_cuts(describe(clip), Fraction(4), Fraction(12))))
    print(
        f"{len(cuts)} cuts in a song of {SONG_S} s: {finding - reading:.2f} CPU s beyond "
        f"reading it ({reading:.2f}); goal: below {CUTS_GOAL_S}"
    )


def _bench_song(folder: Path, bpm: int) -> None:
    """Clicks with swells of noise between them, four minutes at 44.1 kHz."""
    beats = np.arange(0.25, SONG_S - 0.1, 60 / bpm)
    path = _write(folder / "song.flac", "flac", _song(beats), 44100)
    decoding = _cpu_s(lambda: _drain(path, SONG_S))
    clip = probe(path).clip
    used = _cpu_s(lambda: analyse(clip, FPS, SONG_S * int(FPS)))
    found = analyse(clip, FPS, SONG_S * int(FPS))
    score = _f_measure((found.beat_frames + np.float64(0.5)) / np.float64(FPS), beats)
    print(
        f"features of {SONG_S // 60} minutes: {used:.2f} CPU s ({used / decoding:.1f}x decoding); "
        f"{bpm} bpm found as {found.tempo or 0:.2f}, beats F {score:.3f}"
    )


def _bench_memory(path: Path) -> None:
    minute, hour = (
        run_command([sys.executable, "-c", _ANALYSE, str(path), str(seconds)]).peak_bytes
        for seconds in (60, HOUR_S)
    )
    print(
        f"memory of the features: a minute {minute / 2**20:.0f} MiB, "
        f"an hour {hour / 2**20:.0f} MiB, ratio {hour / minute:.2f}"
    )


def _drain(path: Path, seconds: int) -> None:
    for _ in stream(path, Fraction(0), Fraction(seconds)):
        pass


def _cpu_s(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _f_measure(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    if not len(found):
        return 0.0
    near = np.abs(found[:, None] - wanted[None, :]) <= WINDOW_S
    precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _minute() -> NDArray[np.float32]:
    minute = np.random.default_rng(0).standard_normal(60 * RATE).astype(np.float32) * 0.1
    return minute * np.abs(np.sin(np.arange(60 * RATE) / RATE * 5)).astype(np.float32)


def _song(beats: NDArray[np.float64]) -> NDArray[np.float32]:
    random = np.random.default_rng(1)
    count = SONG_S * 44100
    sound = (0.02 * random.standard_normal(count)).astype(np.float32)
    sound *= 1 + np.sin(np.arange(count) / 44100).astype(np.float32)
    click = 0.5 * random.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    for beat in beats:
        begin = round(float(beat) * 44100)
        sound[begin : begin + 2000] += click.astype(np.float32)
    return np.clip(sound, -1, 1)


def _write(path: Path, codec: str, sound: NDArray[np.float32], rate: int, times: int = 1) -> Path:
    """The sound, so many times over. No more than one copy of it is held."""
    with av.open(str(path), "w") as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(track, av.AudioStream)
        for turn in range(times):
            frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, turn * len(sound)
            frame.time_base = Fraction(1, rate)
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return path


if __name__ == "__main__":
    main()
