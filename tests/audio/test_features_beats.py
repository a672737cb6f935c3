"""Tempo and beats, and none where there is no pulse."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from media_factory import (
    beat_times,
    click_track,
    clicks,
    features_of,
    noise,
    silence,
    sine,
    speech_like,
    write_audio,
)
from soundreel.audio.beats import track_beats
from soundreel.audio.features import Features

WINDOW_S = 0.07  # how far off a beat may be to count, as in beat tracking contests


def f_measure(found: list[float], wanted: list[float]) -> float:
    hits = sum(min(abs(a - b) for b in wanted) <= WINDOW_S for a in found)
    covered = sum(min(abs(a - b) for b in found) <= WINDOW_S for a in wanted)
    return (
        2
        * (hits / len(found))
        * (covered / len(wanted))
        / (hits / len(found) + covered / len(wanted))
    )


def described(path: Path, seconds: int, fps: Fraction = Fraction(16)) -> Features:
    return features_of(path, Fraction(0), fps, int(seconds * fps))


@pytest.mark.parametrize("bpm", [60, 90, 120, 140])
@pytest.mark.parametrize("fps", [Fraction(8), Fraction(30000, 1001), Fraction(60)])
def test_a_click_track_is_followed(tmp_path: Path, bpm: int, fps: Fraction) -> None:
    path = write_audio(tmp_path / "a.wav", click_track(30, bpm, rate=22050), 22050)
    found = described(path, 30, fps)
    times = beat_times(30, bpm)
    assert found.tempo == pytest.approx(bpm, rel=0.005)
    samples = [math.ceil(round(time * 22050, 6)) for time in times]
    assert found.beat_frames.tolist() == [int(Fraction(s, 22050) * fps) for s in samples]


@pytest.mark.parametrize("bpm", [90, 120])
def test_beats_are_found_under_noise_and_other_sounds(tmp_path: Path, bpm: int) -> None:
    times = beat_times(60, bpm)
    random = np.random.default_rng(0)
    sound = clicks(60, times, rate=22050, background=0.02)
    sound += 0.5 * clicks(60, sorted(random.uniform(0, 59, 40)), rate=22050)
    sound += 0.1 * sine(60, 220, rate=22050) + 0.1 * sine(60, 277, rate=22050)
    path = write_audio(tmp_path / "a.wav", np.clip(sound, -1, 1), 22050)
    found = described(path, 60)
    centres = [(frame + 0.5) / 16 for frame in found.beat_frames.tolist()]
    assert f_measure(centres, times) > 0.98


def test_a_drifting_tempo_is_followed() -> None:
    times, time = [], 0.5
    while time < 60:
        times.append(time)
        time += 0.5 * (1 + 0.05 * np.sin(time / 8))
    onset = np.zeros(6100, np.float32)
    onset[[round(t * 100) for t in times]] = 1
    tempo, beats = track_beats(onset, 100.0)
    assert tempo == pytest.approx(120, rel=0.03)
    assert f_measure([b / 100 for b in beats.tolist()], times) > 0.98


@pytest.mark.parametrize(
    "sound",
    [
        silence(12, rate=16000),
        sine(12, 200, rate=16000),
        noise(12, rate=16000),
        *(speech_like(20, rate=16000, seed=seed) for seed in range(4)),
        *(
            clicks(20, sorted(np.random.default_rng(seed).uniform(0, 20, 45)), rate=16000)
            for seed in range(4)
        ),
    ],
    ids=lambda _: "",
)
def test_there_is_no_tempo_without_a_pulse(tmp_path: Path, sound: np.ndarray) -> None:
    path = write_audio(tmp_path / "a.wav", sound, 16000)
    found = described(path, 12)
    assert found.tempo is None
    assert found.beat_frames.tolist() == []
    assert not found.beat_phase.any()


def test_real_speech_has_no_tempo() -> None:
    speech = Path(__file__).parents[2] / "examples" / "speech.wav"
    assert described(speech, 7).tempo is None


def test_short_clips_are_described_too(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", click_track(1))
    for frames in (1, 2, 5, 16):
        found = features_of(path, Fraction(0), Fraction(16), frames)
        assert found.onset.shape == (frames,)
        assert found.tempo is None


def test_the_phase_rises_from_beat_to_beat(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", click_track(10, 120, rate=16000, first=0.75), 16000)
    found = described(path, 10)
    assert found.beat_frames.tolist()[:3] == [12, 20, 28]
    assert not found.beat_phase[found.beat_frames].any()
    np.testing.assert_allclose(found.beat_phase[12:20], np.arange(8) / 8, atol=1e-6)
    np.testing.assert_allclose(found.beat_phase[4:12], np.arange(8) / 8, atol=1e-6)
    np.testing.assert_allclose(found.beat_phase[-4:], (np.arange(-4, 0) + 4) / 8, atol=1e-6)
