"""Sound features of any length: windows, seams, ends. The encoder is a fake that passes the wave
through: state i is the sample at which it begins, so that every row can be foreseen."""

from __future__ import annotations

import gc
import weakref
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from soundreel.engines.wan.encoders.sound import (
    AudioEncoder,
    Sound,
    SoundFeatures,
    count_windows,
    picture_rows,
    statistics,
    window_of,
)

MINUTE = 60 * 16000


class Passing(AudioEncoder):
    """One hidden state (width 1) for every 320 samples: the first of them."""

    def __init__(self) -> None:
        config = SimpleNamespace(
            conv_kernel=(400,), conv_stride=(320,), num_hidden_layers=0, hidden_size=1
        )
        super().__init__(cast(Any, torch.nn.Identity()))
        self.model.config = config
        self.lengths: list[int] = []

    def hidden_states(self, wave: np.ndarray) -> Any:
        self.lengths.append(len(wave))
        frames = self.count_frames(len(wave))
        return torch.from_numpy(wave[: frames * 320 : 320].copy())[None, :, None]


def ramp(seconds: float) -> tuple[Sound, list[int]]:
    """A sound that rises evenly from 0 to 1, and the sizes in which it is read."""
    samples = round(seconds * 16000)
    reads: list[int] = []

    def read(first: int, count: int) -> np.ndarray:
        reads.append(count)
        return (np.arange(first, first + count) / samples).astype(np.float32)

    return Sound(samples, read), reads


@pytest.mark.parametrize("seconds", [60, 62, 75.3, 200])
def test_rows_rise_evenly_over_all_seams(seconds: float) -> None:
    sound, _ = ramp(seconds)
    features = SoundFeatures(Passing(), sound)
    mean, deviation = statistics(sound)
    rows = features.features(list(range(features.rows))).flatten().numpy() * deviation + mean
    evenly = np.linspace(0, (features.frames - 1) * 320 / sound.num_samples, features.rows)
    assert np.abs(rows - evenly).max() < 1e-5
    assert abs(features.rows - seconds * 30) < 2


def test_sound_beyond_a_minute_is_encoded_in_windows_of_30_seconds() -> None:
    encoder = Passing()
    sound, reads = ramp(300)
    features = SoundFeatures(encoder, sound)
    reads.clear()
    for first in range(0, 300 * 16, 80):
        features.pictures(first, 80)
    assert max(encoder.lengths) == max(reads) == 30 * 16000
    assert features.windows == 12
    assert len(encoder.lengths) == features.windows, "each window once, in order"


def test_a_chunk_far_inside_needs_its_own_window_only() -> None:
    encoder = Passing()
    features = SoundFeatures(encoder, ramp(3600)[0])
    there = features.pictures(40000, 8)
    assert len(encoder.lengths) == 1
    whole = SoundFeatures(Passing(), ramp(3600)[0])
    whole.pictures(0, 8)
    assert torch.equal(whole.pictures(40000, 8), there)


def test_up_to_a_minute_is_one_pass_and_the_encoder_is_let_go() -> None:
    encoder = Passing()
    features = SoundFeatures(encoder, ramp(60)[0])
    assert encoder.lengths == [MINUTE]
    model = weakref.ref(encoder.model)
    del encoder
    gc.collect()
    assert model() is None
    assert features.pictures(0, 80).any()


def test_every_hidden_state_has_context_on_both_sides() -> None:
    """2.5 s in the middle; the last window is never shorter than the overlap."""
    for seconds in (61.1, 79.9, 80.1, 85.01, 600):
        samples = round(seconds * 16000)
        frames = (samples - 400) // 320 + 1
        windows = count_windows(frames, samples)
        window = window_of(torch.arange(frames), windows)
        inside = torch.arange(frames) - 1250 * window
        assert int(inside.min()) == 0
        assert int(inside[window > 0].min()) >= 125
        assert int(inside[window < windows - 1].max()) < 1500 - 125
        assert int(inside.max()) < 1499
        assert frames - 1250 * (windows - 1) > 250


def test_statistics_are_those_of_the_whole_sound() -> None:
    values = np.random.default_rng(0).normal(0.2, 3, 2 * MINUTE + 77).astype(np.float32)
    mean, deviation = statistics(Sound(len(values), lambda first, n: values[first : first + n]))
    assert mean == pytest.approx(values.astype(np.float64).mean(), abs=1e-6)
    assert deviation == pytest.approx(np.sqrt(values.astype(np.float64).var() + 1e-7), rel=1e-6)


def test_pictures_after_the_end_are_zero() -> None:
    features = SoundFeatures(Passing(), ramp(2)[0])
    pictures = features.pictures(28, 12).flatten()
    past = torch.tensor([row >= features.rows for row in picture_rows(28, 12, Fraction(16))])
    assert past.any()
    assert not pictures[past].any()
    assert pictures[~past].all()


@pytest.mark.parametrize("samples", [1, 399, 400, 719])
def test_sound_too_short_for_a_row_gives_zeros(samples: int) -> None:
    encoder = Passing()
    sound = Sound(samples, lambda first, count: np.ones(count, np.float32))
    assert not SoundFeatures(encoder, sound).pictures(0, 4).any()
    assert encoder.lengths == []


def test_rows_are_rounded_half_to_even() -> None:
    assert picture_rows(0, 9, Fraction(16)) == [0, 2, 4, 6, 8, 9, 11, 13, 15]
    assert picture_rows(4, 1, Fraction(16)) == [8], "7.5 -> 8"
    assert picture_rows(12, 1, Fraction(16)) == [22], "22.5 -> 22"
