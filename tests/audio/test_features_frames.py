"""Features lie on the frame grid: frame i is made of its own samples and of no others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_factory import (
    RATE,
    click_track,
    clicks,
    features_of,
    noise,
    silence,
    sine,
    speech_like,
    write_audio,
)
from soundreel.audio.features import BAND_EDGES_HZ, Features
from soundreel.timeline.grid import first_sample

RATES = [Fraction(8), Fraction(16), Fraction(24), Fraction(30000, 1001), Fraction(60)]


def frames_of(times: list[float], fps: Fraction, start: Fraction = Fraction(0)) -> list[int]:
    """Frames that hold the first sample of a click at each time."""
    samples = [Fraction(int(np.ceil(round(time * RATE, 6))), RATE) for time in times]
    return [int((sample - start) * fps // 1) for sample in samples]


def peaks(onset: np.ndarray) -> set[int]:
    return set(np.flatnonzero(onset > 0.5).tolist())


def test_shapes_and_types(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", speech_like(3, channels=2))
    found = features_of(path, Fraction(0), Fraction(25), 75)
    assert found.rms.shape == found.onset.shape == found.beat_phase.shape == (75,)
    assert found.bands.shape == (75, 8)
    assert found.beat_frames.dtype == np.int64
    for values in (found.rms, found.bands, found.onset, found.beat_phase):
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("fps", RATES)
def test_rms_is_that_of_the_frames_own_samples(tmp_path: Path, fps: Fraction) -> None:
    sound = noise(2, level=0.2)
    path = write_audio(tmp_path / "a.wav", sound, codec="pcm_f32le")
    start = Fraction(1, 7)
    found = features_of(path, start, fps, 8)
    edges = [first_sample(start + i / fps, RATE) for i in range(9)]
    for i in range(8):
        own = sound[0, edges[i] : edges[i + 1]].astype(np.float64)
        assert found.rms[i] == pytest.approx(np.sqrt((own**2).mean()), rel=1e-5)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 3), Fraction(-1, 2)])
def test_the_frame_of_a_click_is_the_onset_and_no_other(
    tmp_path: Path, fps: Fraction, start: Fraction
) -> None:
    times = [0.71, 1.2, 1.9375, 2.5, 3.333, 4.04, 4.6]
    path = write_audio(tmp_path / "a.wav", clicks(6, times), codec="pcm_f32le")
    found = features_of(path, start, fps, int(5 * fps))
    wanted = {i for i in frames_of(times, fps, start) if 0 <= i < int(5 * fps)}
    assert peaks(found.onset) == wanted
    others = np.delete(found.onset, sorted(wanted))
    assert others.max() < 0.3


@pytest.mark.parametrize("place", [0, 1, 5, 368, 733, 734])
def test_a_click_on_the_edge_of_a_frame_stays_in_it(tmp_path: Path, place: int) -> None:
    sound = silence(2)
    sound[0, 60 * 735 + place] = 0.9
    path = write_audio(tmp_path / "a.wav", sound, codec="pcm_f32le")
    found = features_of(path, Fraction(0), Fraction(60), 120)
    assert found.onset[60] == 1
    assert np.flatnonzero(found.onset).tolist() == [60]
    assert np.flatnonzero(found.rms).tolist() == [60]


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.opus", "a.flac", "a.mkv"])
def test_no_format_moves_a_click(tmp_path: Path, name: str) -> None:
    times = [1.03, 2.2, 3.71, 12.42, 13.9]
    rate = 48000 if name == "a.opus" else RATE
    sound = clicks(15, times, rate=rate, channels=2, background=0.001)
    path = write_audio(tmp_path / name, sound, rate)
    fps = Fraction(16)
    assert peaks(features_of(path, Fraction(0), fps, 240).onset) == set(frames_of(times, fps))
    late = features_of(path, Fraction(12), fps, 48)
    assert peaks(late.onset) == set(frames_of(times[3:], fps, Fraction(12)))


def test_silence_is_exactly_nothing(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.mp3", silence(4))
    found = features_of(path, Fraction(0), Fraction(16), 64)
    assert not found.onset.any()
    assert not found.rms.any()
    assert not found.bands.any()
    assert not found.beat_phase.any()
    assert found.tempo is None
    assert len(found.beat_frames) == 0


def test_frames_outside_the_file_are_silent(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(1))
    found = features_of(path, Fraction(-1), Fraction(16), 48)
    assert not found.rms[:16].any()
    assert found.rms[16:32].all()
    assert not found.rms[32:].any()


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(16), Fraction(60)])
@pytest.mark.parametrize("band", range(8))
def test_a_tone_is_loudest_in_its_band(tmp_path: Path, fps: Fraction, band: int) -> None:
    """Frames of 60 a second are shorter than a wave of the lowest band is sharp."""
    hertz = float(np.sqrt(BAND_EDGES_HZ[band] * BAND_EDGES_HZ[band + 1]))
    path = write_audio(tmp_path / "a.wav", sine(1, hertz), codec="pcm_f32le")
    found = features_of(path, Fraction(0), fps, int(fps))
    assert (found.bands.argmax(axis=1) == band).all()
    assert found.bands[:, band].min() > 0.85


def test_bands_are_decibels(tmp_path: Path) -> None:
    levels = []
    for level in (1.0, 0.1, 0.01, 1e-5):
        path = write_audio(tmp_path / "a.wav", sine(1, 1200, level=level), codec="pcm_f32le")
        levels.append(float(features_of(path, Fraction(0), Fraction(16), 16).bands[:, 4].mean()))
    assert levels == pytest.approx([1.0, 0.75, 0.5, 0.0], abs=0.01)


def test_steady_sound_has_no_onsets_after_its_beginning(tmp_path: Path) -> None:
    for hertz in (60, 220, 1000, 4000):
        path = write_audio(tmp_path / "a.wav", sine(5, hertz))
        onset = features_of(path, Fraction(0), Fraction(16), 80).onset
        assert onset[1:].max() < 0.1, hertz
    path = write_audio(tmp_path / "n.wav", noise(5))
    assert features_of(path, Fraction(0), Fraction(16), 80).onset[1:].mean() < 0.05


@settings(max_examples=20, deadline=None)
@given(
    fps=st.sampled_from([Fraction(8), Fraction(16), Fraction(24000, 1001), Fraction(60)]),
    start=st.fractions(0, 4, max_denominator=1000),
    count=st.integers(1, 40),
)
def test_a_frame_does_not_depend_on_where_the_clip_ends(
    tmp_path_factory: pytest.TempPathFactory, fps: Fraction, start: Fraction, count: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "speech.wav"
    if not path.exists():
        write_audio(path, speech_like(6))
    short, longer = (features_of(path, start, fps, n) for n in (count, count + 17))
    np.testing.assert_array_equal(short.rms, longer.rms[:count])
    np.testing.assert_allclose(short.bands, longer.bands[:count], atol=1e-5)


def test_the_whole_is_the_same_in_any_number_of_frames_per_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_audio(tmp_path / "a.wav", click_track(5))

    def run(batch: int) -> Features:
        monkeypatch.setattr("soundreel.audio.features._BATCH_SAMPLES", batch)
        return features_of(path, Fraction(0), Fraction(30000, 1001), 149)

    small, large = run(20_000), run(1 << 18)
    np.testing.assert_array_equal(small.rms, large.rms)
    np.testing.assert_allclose(small.bands, large.bands, atol=1e-5)
    np.testing.assert_allclose(small.onset, large.onset, atol=1e-5)
