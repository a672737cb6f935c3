"""Curves that move the picture, and the sections of a piece: from made-up features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preview.features import features, steady
from soundreel.engines.preview.drive.curves import hold_and_fall, smooth
from soundreel.engines.preview.drive.fades import END_S, MOST_START_S, faded
from soundreel.engines.preview.drive.sections import find_sections, openness_curve
from soundreel.engines.preview.drive.signals import make_drive
from soundreel.engines.preview.look.composition import nature_of

FPS = 16.0


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.floats(8, 60))
def test_falling_curves_rise_at_once_and_never_exceed_the_loudest(
    values: list[float], fps: float
) -> None:
    given_ = np.array(values, np.float32)
    curve = hold_and_fall(given_, fps, 0.1)
    assert (curve >= given_).all()
    np.testing.assert_array_less(curve, np.maximum.accumulate(given_) + 1e-6)


def test_falling_curves_halve_in_their_half_life() -> None:
    curve = hold_and_fall(np.array([1.0] + [0.0] * 16), FPS, 0.25)
    assert curve[4] == pytest.approx(0.5)


@given(st.integers(1, 80), st.floats(0.1, 9))
def test_smoothing_keeps_a_constant_and_the_length(count: int, seconds: float) -> None:
    np.testing.assert_allclose(smooth(np.full(count, 0.3), FPS, seconds), 0.3, rtol=1e-5)


def test_a_click_strikes_on_its_own_frame() -> None:
    drive = make_drive(features(np.eye(1, 48, 20)[0]), FPS)
    for curve in (drive.flash, drive.glow, drive.bass, drive.highs):
        assert int(np.argmax(np.diff(curve))) == 19
        assert curve[19] == 0
    assert int(np.argmax(np.diff(drive.travel))) == 19
    assert drive.hits.tolist() == [20]


def test_silence_is_still() -> None:
    drive = make_drive(features(np.zeros(64)), FPS)
    for curve in (drive.energy, drive.flash, drive.pulse, drive.bands):
        assert not curve.any()
    assert np.diff(drive.travel).max() < 0.005


def test_whispered_hiss_is_silence_too() -> None:
    assert not make_drive(features(np.full(64, 0.0005)), FPS).energy.any()


def test_motion_covers_more_ground_where_it_is_louder() -> None:
    drive = make_drive(features(np.repeat([0.1, 0.5, 0.1], 30)), FPS)
    steps = np.diff(drive.travel)
    assert steps[30:58].mean() > 5 * steps[:28].mean()


def lit(levels: np.ndarray, seconds: float) -> np.ndarray:
    return faded(make_drive(features(levels), FPS), seconds).light


def test_short_clips_keep_their_light() -> None:
    assert lit(np.full(1, 0.4), END_S)[0] == pytest.approx(1, abs=0.1)
    light = lit(np.zeros(320), END_S)
    assert 0.8 < light[0] < 0.9
    assert light[-1] < 0.2
    assert light[160] == 1


@pytest.mark.parametrize("seconds", [0.25, END_S, 10.0])
def test_the_start_is_lit_within_half_a_second(seconds: float) -> None:
    light = lit(np.zeros(320), seconds)
    assert light[int(FPS * MOST_START_S) - 1 : 200].min() == 1
    assert (light[int(-FPS * seconds) :][1:] < 1).all() or seconds == 10.0


def test_without_a_fade_every_picture_is_lit() -> None:
    assert lit(np.zeros(320), 0).min() == 1


def verse_and_chorus() -> np.ndarray:
    return np.concatenate([np.full(20 * 16, 0.12), np.full(15 * 16, 0.6), np.full(15 * 16, 0.12)])


def test_verse_and_chorus_are_told_apart() -> None:
    drive = make_drive(features(verse_and_chorus()), FPS)
    assert [(section.start, section.end) for section in drive.sections] == [
        (0, 320),
        (320, 560),
        (560, 800),
    ]
    calm, full, again = (section.openness for section in drive.sections)
    assert full == 1
    assert max(calm, again) < 0.2


def test_a_section_opens_after_its_border_and_not_before() -> None:
    drive = make_drive(features(verse_and_chorus()), FPS)
    assert drive.openness[319] < 0.05
    assert drive.openness[330] > 0.9


def test_an_even_clip_is_one_section() -> None:
    drive = make_drive(steady(600), FPS)
    assert len(drive.sections) == 1
    assert drive.openness[0] == pytest.approx(0.5)


@given(st.integers(0, 400), st.integers(0, 5), st.floats(8, 60))
def test_sections_cover_every_frame_once(count: int, seed: int, fps: float) -> None:
    random = np.random.default_rng(seed)
    loud = np.repeat(random.uniform(0, 1, count // 8 + 1), 8)[:count].astype(np.float32)
    sections = find_sections(loud, np.repeat(loud[:, None], 8, axis=1), loud, fps)
    covered = [frame for section in sections for frame in range(section.start, section.end)]
    assert covered == list(range(count))
    curve = openness_curve(sections, count, fps)
    assert len(curve) == count
    assert ((curve >= -1e-6) & (curve <= 1 + 1e-6)).all()


def test_kinds_of_sound_are_told_apart() -> None:
    random = np.random.default_rng(0)
    syllables = np.repeat(random.uniform(0.02, 0.6, 40), 4)
    clicks = (np.arange(160) % 16 == 8) * 0.5
    beat = 0.15 + 0.5 * (np.arange(160) % 8 == 0)
    beats = np.arange(0, 160, 8)
    assert nature_of(make_drive(features(np.zeros(160)), FPS)) == "still"
    assert nature_of(make_drive(features(clicks), FPS)) == "sparse"
    assert nature_of(make_drive(features(beat, beats=beats), FPS)) == "beat"
    assert nature_of(make_drive(features(syllables), FPS)) == "voice"
    assert nature_of(make_drive(steady(160), FPS)) == "tone"
