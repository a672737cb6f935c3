"""Exact time: nothing is rounded, nothing is lost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.timeline import grid

rates = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000])
frame_rates = st.one_of(
    st.integers(1, 120).map(Fraction),
    st.sampled_from([Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)]),
)
times = st.fractions(-100, 100_000, max_denominator=10**7)
spans = st.fractions(0, 10_000, max_denominator=10**7)


@settings(deadline=None)
@given(duration=spans, fps=frame_rates)
def test_frames_cover_the_sound_with_none_to_spare(duration: Fraction, fps: Fraction) -> None:
    count = grid.frames_for(duration, fps)
    assert grid.frame_time(count, fps) >= duration
    assert count == 0 or grid.frame_time(count - 1, fps) < duration


@settings(deadline=None)
@given(start=times, first=spans, second=spans, rate=rates)
def test_adjoining_spans_share_no_sample_and_lose_none(
    start: Fraction, first: Fraction, second: Fraction, rate: int
) -> None:
    middle, end = start + first, start + first + second
    parts = grid.samples_between(start, middle, rate) + grid.samples_between(middle, end, rate)
    assert parts == grid.samples_between(start, end, rate)


@settings(deadline=None)
@given(time=times, rate=rates)
def test_the_first_sample_is_the_first_at_or_after_the_time(time: Fraction, rate: int) -> None:
    sample = grid.first_sample(time, rate)
    assert Fraction(sample, rate) >= time
    assert Fraction(sample - 1, rate) < time


@settings(deadline=None)
@given(start=times, fps=frame_rates, rate=rates, count=st.integers(1, 5000))
def test_every_sample_belongs_to_one_frame(
    start: Fraction, fps: Fraction, rate: int, count: int
) -> None:
    """Over a million frames the borders do not drift from the samples."""
    total = grid.samples_between(start, start + count / fps, rate)
    assert abs(total - count * rate / fps) < 1


@settings(deadline=None)
@given(count=st.integers(0, 10**6), step=st.integers(1, 100))
def test_ceil_to_is_the_next_multiple(count: int, step: int) -> None:
    up = grid.ceil_to(count, step)
    assert up % step == 0
    assert count <= up < count + step


@pytest.mark.parametrize(
    ("frames", "latents"), [(0, 0), (1, 1), (4, 1), (5, 2), (73, 19), (80, 20)]
)
def test_a_latent_frame_holds_four_pictures(frames: int, latents: int) -> None:
    assert grid.latents_for(frames) == latents


@settings(deadline=None)
@given(value=st.fractions(0, 10**6, max_denominator=10**6))
def test_seconds_are_written_short_and_right(value: Fraction) -> None:
    text = grid.format_seconds(value)
    assert abs(Fraction(text) - value) <= Fraction(1, 10_000)
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")
