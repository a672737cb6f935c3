"""A segment is a cut of the whole file, to the sample, wherever it lies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from media_factory import (
    RATE,
    VBR_MP3,
    Samples,
    click_track,
    clicks,
    noise,
    sine,
    speech_like,
    sweep,
    write_audio,
)
from soundreel.audio.load import probe
from soundreel.audio.segment import read, stream
from soundreel.timeline.grid import first_sample, samples_between

LENGTH_S = 30
NAMES = ("a.wav", "a.flac", "a.mp3", "v.mp3", "a.m4a", "a.ogg", "a.opus", "a.mkv", "a.wma")


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="soundreel-test-"))


@pytest.fixture(scope="module", autouse=True)
def _remove_folder() -> Iterator[None]:
    yield
    shutil.rmtree(folder())


@cache
def long_file(name: str) -> Path:
    """Clicks and noise: encoders change their block sizes, and no place looks like another."""
    rate = 48000 if name.endswith("opus") else RATE
    random = np.random.default_rng(3)
    times = list(np.cumsum(random.uniform(0.03, 0.4, 100)))
    sound = clicks(LENGTH_S, times, rate=rate, channels=2, background=0.003)
    sound = sound + 0.2 * speech_like(LENGTH_S, rate=rate, channels=2)
    sound += 0.05 * sweep(LENGTH_S, rate=rate, channels=2)
    if name == "a.ogg":
        return write_vorbis(folder() / name, sound)
    # AAC without noise substitution, whose noise depends on all that was decoded before.
    options = {"aac_pns": "0"} if name in ("a.m4a", "a.mkv") else {}
    bare = {}
    if name == "v.mp3":  # nothing in the file says how long it is, or where what lies
        options, bare = dict(VBR_MP3), {"write_xing": "0"}
    return write_audio(folder() / name, sound, rate, options=options, container_options=bare)


def write_vorbis(path: Path, sound: Samples) -> Path:
    """With libvorbis, whose two block sizes make FFmpeg's timestamps jump after a seek."""
    with soundfile.SoundFile(path, "w", RATE, 2, format="OGG", subtype="VORBIS") as file:
        for part in np.array_split(sound.T, 200):
            file.write(part)
    return path


@cache
def whole(name: str, rate: int | None = None) -> NDArray[np.float32]:
    path = long_file(name)
    return read(path, Fraction(0), probe(path).duration, rate=rate, mono=rate is not None)


def expected(sound: NDArray[np.float32], first: int, count: int) -> NDArray[np.float32]:
    out = np.zeros((len(sound), count), np.float32)
    begin, end = max(0, first), min(sound.shape[1], first + count)
    if begin < end:
        out[:, begin - first : end - first] = sound[:, begin:end]
    return out


times = st.fractions(-2, LENGTH_S + 2, max_denominator=48000)
durations = st.fractions(0, 3, max_denominator=48000)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(start=times, duration=durations)
def test_a_segment_is_a_cut_of_the_whole(name: str, start: Fraction, duration: Fraction) -> None:
    rate = probe(long_file(name)).rate
    got = read(long_file(name), start, duration)
    count = samples_between(start, start + duration, rate)
    cut = expected(whole(name), first_sample(start, rate), count)
    np.testing.assert_allclose(got, cut, atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
@settings(max_examples=15, deadline=None)
@given(start=times, duration=durations)
def test_a_converted_segment_is_a_cut_of_the_converted_whole(
    rate: int, start: Fraction, duration: Fraction
) -> None:
    got = read(long_file("a.flac"), start, duration, rate=rate, mono=True)
    count = samples_between(start, start + duration, rate)
    cut = expected(whole("a.flac", rate), first_sample(start, rate), count)
    np.testing.assert_allclose(got, cut, atol=2e-6)


def test_adjoining_segments_join_without_a_seam() -> None:
    borders = [Fraction(k * 1001, 30000) + 12 for k in range(60)]
    parts = [read(long_file("a.mp3"), a, b - a) for a, b in pairwise(borders)]
    joined = np.concatenate(parts, axis=1)
    np.testing.assert_array_equal(
        joined, read(long_file("a.mp3"), borders[0], borders[-1] - borders[0])
    )


def test_vorbis_segments_are_exact_where_the_block_size_changes() -> None:
    """Single timestamps there are 448 samples off after a seek."""
    for start in np.random.default_rng(0).uniform(10, 28, 40):
        place = first_sample(Fraction(start), RATE)
        got = read(long_file("a.ogg"), Fraction(start), Fraction(1, 10))
        np.testing.assert_allclose(got, expected(whole("a.ogg"), place, got.shape[1]), atol=1e-6)


def test_silence_surrounds_the_sound() -> None:
    path = long_file("a.wav")
    for rate in (None, 16000):
        wanted = rate or RATE
        got = read(path, Fraction(-1), Fraction(LENGTH_S + 3), rate=rate)
        assert got.shape == (2, (LENGTH_S + 3) * wanted)
        assert not got[:, :wanted].any()
        assert got[:, wanted : 2 * wanted].any()
        assert not got[:, (LENGTH_S + 1) * wanted :].any()
    assert not read(path, Fraction(-5), Fraction(3)).any()
    assert not read(path, Fraction(LENGTH_S + 100), Fraction(1), rate=16000).any()


def test_a_segment_of_no_length_is_an_empty_array() -> None:
    assert read(long_file("a.wav"), Fraction(3), Fraction(0)).shape == (2, 0)
    assert read(long_file("a.wav"), Fraction(3), Fraction(0), rate=16000, mono=True).shape == (1, 0)


def test_blocks_are_small_however_long_the_segment() -> None:
    sizes = [block.shape[1] for block in stream(long_file("a.wav"), Fraction(0), Fraction(600))]
    assert sum(sizes) == 600 * RATE
    assert max(sizes) <= 65536


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000, 44056])
def test_rate_conversion_keeps_every_sample_in_its_place(tmp_path: Path, rate: int) -> None:
    """Sample j is the sound at j / rate: a sine comes out as the formula says, without a shift."""
    path = write_audio(tmp_path / "a.wav", sine(3, 1000), codec="pcm_f32le")
    got = read(path, Fraction(1), Fraction(1), rate=rate)
    formula = 0.5 * np.sin(2 * np.pi * 1000 * (np.arange(rate) + rate) / rate)
    assert got.shape == (1, rate)
    np.testing.assert_allclose(got[0], formula, atol=1e-5)


def test_a_click_stays_where_it_is_at_another_rate(tmp_path: Path) -> None:
    sound = np.zeros((1, 48000), np.float32)
    sound[0, 30000] = 1
    path = write_audio(tmp_path / "a.wav", sound, 48000)
    got = read(path, Fraction(0), Fraction(1), rate=16000)[0]
    assert int(np.abs(got).argmax()) == 10000
    np.testing.assert_allclose(got[9900:10000], got[10001:10101][::-1], atol=1e-6)


def test_what_the_new_rate_cannot_hold_is_gone_and_the_rest_is_untouched(tmp_path: Path) -> None:
    high = write_audio(tmp_path / "h.wav", sine(2, 12000, rate=48000), 48000)
    low = write_audio(tmp_path / "l.wav", sine(2, 7000, rate=48000), 48000)
    middle = (Fraction(1, 2), Fraction(1))
    assert np.abs(read(high, *middle, rate=16000)).max() < 1e-4
    assert abs(np.abs(read(low, *middle, rate=16000)).max() - 0.5) < 1e-2


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mkv"])
def test_minute_fifty_costs_next_to_nothing(tmp_path: Path, name: str) -> None:
    """An hour at 8 kHz; decoding all before minute 50 would take several times the limit."""
    hour = np.tile(noise(60, rate=8000, level=0.2), 60)
    path = write_audio(tmp_path / name, hour, 8000, codec="flac" if name == "a.mkv" else None)
    begun = time.process_time()
    got = read(path, Fraction(3000), Fraction(10))
    used = time.process_time() - begun
    np.testing.assert_allclose(got, hour[:, 3000 * 8000 : 3010 * 8000], atol=2**-15)
    assert used < 1


def test_the_channels_and_the_rate_of_the_file_are_kept() -> None:
    assert read(long_file("a.opus"), Fraction(1), Fraction(1)).shape == (2, 48000)


def test_a_steady_click_track_in_mp3_has_its_clicks_in_place(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.mp3", click_track(30, 120, first=0.25))
    for second in (2, 11, 27):
        got = read(path, Fraction(second), Fraction(1, 2))[0]
        assert abs(int(np.abs(got).argmax()) - RATE // 4) <= 2
