"""Silent spans, gates, and how far two sounds stand apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.songs import RATE, pop, waltz
from media_factory import noise, silence, sine, write_audio
from soundreel.audio.alignment import shift_between
from soundreel.audio.gate import quiet_spans, window_levels
from soundreel.audio.load import probe
from soundreel.audio.segment import read_clip
from soundreel.audio.silence import FADE
from soundreel.types import AudioClip

SPEECH = Path(__file__).parents[2] / "examples" / "speech.wav"


def clip_of(path: Path) -> AudioClip:
    return probe(path).clip


def sung(tmp_path: Path) -> AudioClip:
    """A tone from 1 to 2 s and from 3 to 4 s of 5; between, a sound 60 dB below it."""
    sound = noise(5, rate=RATE, level=0.0005)
    for begin in (1, 3):
        sound[:, begin * RATE : (begin + 1) * RATE] += sine(1, 300, rate=RATE, level=0.5)
    return clip_of(write_audio(tmp_path / "a.wav", sound, RATE))


def test_levels_are_those_of_each_tenth_of_a_second(tmp_path: Path) -> None:
    levels = window_levels(sung(tmp_path))
    assert len(levels) == 50
    assert levels[10:20] == pytest.approx(0.5 / 2**0.5, rel=0.01)
    assert levels[20:30].max() < 0.001


def test_a_gate_finds_what_lies_far_below_the_loud_level(tmp_path: Path) -> None:
    spans = quiet_spans(sung(tmp_path), -40)
    assert [*map(list, spans)] == [[-FADE, 1], [2, 3], [4, 5 + FADE]]
    assert quiet_spans(sung(tmp_path), -80) == ()


def test_short_pauses_stay(tmp_path: Path) -> None:
    sound = sine(2, rate=RATE)
    sound[:, RATE : RATE + RATE // 10] = 0
    assert quiet_spans(clip_of(write_audio(tmp_path / "a.wav", sound, RATE)), -40) == ()


def test_silence_is_all_quiet(tmp_path: Path) -> None:
    clip = clip_of(write_audio(tmp_path / "a.wav", silence(1.05, rate=RATE), RATE))
    assert [*map(list, quiet_spans(clip, -40))] == [[-FADE, clip.duration + FADE]]


def test_a_gated_clip_is_true_silence_there_and_untouched_elsewhere(tmp_path: Path) -> None:
    clip = sung(tmp_path)
    gated = replace(clip, silent=quiet_spans(clip, -40))
    whole, after = read_clip(clip), read_clip(gated)
    fade = RATE // 50 + 1
    for begin in (0, 2, 4):
        assert not after[:, begin * RATE + fade : (begin + 1) * RATE - fade].any()
    assert not after[:, 0].any()
    assert not after[:, -1].any()
    for begin in (1, 3):
        span = slice(begin * RATE, (begin + 1) * RATE)
        assert np.array_equal(after[:, span], whole[:, span])


@pytest.mark.parametrize("rate", [None, 16000])
def test_a_window_of_a_gated_clip_is_a_part_of_the_whole(tmp_path: Path, rate: int | None) -> None:
    clip = sung(tmp_path)
    gated = replace(clip, silent=quiet_spans(clip, -40))
    whole = read_clip(gated, rate=rate)
    part = read_clip(gated, Fraction(19, 10), Fraction(7, 10), rate=rate)
    begin = round(1.9 * (rate or RATE))
    np.testing.assert_allclose(part, whole[:, begin : begin + part.shape[1]], atol=1e-6)


def shifted(sound: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """The sound that many seconds later."""
    count = round(seconds * RATE)
    if count < 0:
        return sound[:, -count:]
    return np.concatenate([np.zeros((1, count), np.float32), sound], axis=1)


@pytest.mark.parametrize("seconds", [0.0, 0.0125, 0.5, -0.25, 7.0])
def test_the_shift_of_a_part_of_the_music_is_found(tmp_path: Path, seconds: float) -> None:
    """One instrument alone against all of them, at another loudness."""
    band, singer = waltz().sound, noise(60, rate=RATE, level=0.05, seed=4)
    singer *= np.abs(np.sin(np.arange(singer.shape[1]) / RATE * 3)).astype(np.float32)
    mix = band[:, : singer.shape[1]] + singer
    heard = clip_of(write_audio(tmp_path / "mix.wav", np.clip(mix, -1, 1), RATE))
    stem = clip_of(write_audio(tmp_path / "stem.wav", shifted(0.5 * singer, seconds), RATE))
    found = shift_between(heard, stem)
    assert found is not None
    assert float(found) == pytest.approx(seconds, abs=0.001)


def test_other_music_has_no_shift(tmp_path: Path) -> None:
    one = clip_of(write_audio(tmp_path / "a.wav", pop().sound, RATE))
    two = clip_of(write_audio(tmp_path / "b.wav", waltz().sound, RATE))
    assert shift_between(one, two) is None
    assert shift_between(one, clip_of(SPEECH)) is None
