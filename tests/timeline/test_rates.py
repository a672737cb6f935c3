"""Every picture of the file lies in exactly one piece and stands at its own time, at any rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.post.interpolate import Interpolator
from soundreel.timeline.plan import cut_shot, fit_sound, make_plan
from soundreel.timeline.rates import outputs_of
from soundreel.types import (
    AudioClip,
    Chunk,
    ChunkGeometry,
    Interpolation,
    Plan,
    Request,
    Rgb,
    Shot,
)

SOUND = Path("song.wav")
RATES = (1, 5, 12, 15, 24, 25, 30, 32, 48, 60, Fraction(24000, 1001), Fraction(30000, 1001))

rates = st.one_of(
    st.sampled_from([Fraction(rate) for rate in RATES]),
    st.fractions(1, 240, max_denominator=1001),
)
durations = st.fractions(Fraction(1, 1000), 12, max_denominator=1000)


@st.composite
def geometries(draw: st.DrawFn) -> ChunkGeometry:
    grid = draw(st.sampled_from([1, 4]))
    chunk = grid * draw(st.integers(1, 20))
    dropped = draw(st.integers(0, min(grid, chunk) - 1))
    return ChunkGeometry(Fraction(draw(st.sampled_from([16, 25]))), chunk, grid, dropped)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Of one shot, or of several, as the planner will cut them."""
    geometry = draw(geometries())
    factor = draw(rates) / geometry.fps
    frames = draw(st.one_of(st.none(), st.integers(1, 150)))
    request = Request(audio=SOUND, num_frames=frames)
    length = draw(durations)
    whole = AudioClip(SOUND, Fraction(0), length, length, 48000, 2)
    clip, count, _ = fit_sound(request, whole, geometry.fps, factor)
    interpolation = Interpolation("none" if factor == 1 else "flow", factor)
    plan = make_plan(request, geometry, clip, count, interpolation)
    cuts = sorted(draw(st.sets(st.integers(1, count), max_size=3)) - {count})
    return _with_shots(plan, [0, *cuts, count])


def _with_shots(plan: Plan, borders: Sequence[int]) -> Plan:
    spans = list(pairwise(borders))
    shots = tuple(Shot(index, a, b - a) for index, (a, b) in enumerate(spans))
    chunks: list[Chunk] = []
    for shot in shots:
        chunks += cut_shot(
            shot, plan.geometry, len(chunks), lookahead=plan.interpolation.factor != 1
        )
    return Plan(
        plan.request, plan.geometry, plan.audio, plan.num_frames, shots, tuple(chunks),
        plan.interpolation,
    )  # fmt: skip


def number(value: float) -> Rgb:
    """A picture that says where it stands, in thousandths of a generated picture."""
    return np.full((1, 1, 3), 0, np.uint8) + np.frombuffer(
        round(value * 1000).to_bytes(3, "big"), np.uint8
    )


def told(picture: Rgb) -> float:
    return int.from_bytes(picture.tobytes(), "big") / 1000


def _mixed(first: Rgb, second: Rgb, times: Sequence[Fraction]) -> list[Rgb]:
    a, b = told(first), told(second)
    assert b - a == pytest.approx(1)
    assert all(0 < time < 1 for time in times)
    return [number(a + (b - a) * float(time)) for time in times]


def interpolator(plan: Plan) -> Interpolator:
    return Interpolator(plan.interpolation.factor, plan.output_frames, _mixed)


def pieces(plan: Plan, *, resumed: bool) -> list[list[Rgb]]:
    """What each chunk's piece holds; `resumed` before every chunk from the state of the last."""
    made, post = [], interpolator(plan)
    for chunk in plan.chunks:
        if resumed:
            state, post = post.snapshot(), interpolator(plan)
            post.restore(state)
        piece: list[Rgb] = []
        for index in range(chunk.start_frame, chunk.end_frame):
            piece += post.push(number(index), index)
        if plan.following(chunk) is None:
            piece += post.finish(number(chunk.end_frame) if chunk.lookahead_frames else None)
        made.append(piece)
    return made


@settings(deadline=None, max_examples=150)
@given(plan=plans())
def test_the_pieces_hold_the_pictures_of_the_file_one_after_the_other(plan: Plan) -> None:
    position = 0
    for chunk in plan.chunks:
        outputs = outputs_of(plan, chunk)
        assert outputs.start == position
        position = outputs.stop
    assert position == plan.output_frames == plan.audio.duration * plan.output_fps


@settings(deadline=None, max_examples=150)
@given(plan=plans(), resumed=st.booleans())
def test_every_picture_stands_at_its_own_time_and_none_is_made_across_a_cut(
    plan: Plan, resumed: bool
) -> None:
    made = pieces(plan, resumed=resumed)
    for chunk, piece in zip(plan.chunks, made, strict=True):
        assert len(piece) == len(outputs_of(plan, chunk))
        shot = plan.shots[chunk.shot]
        for j, picture in zip(outputs_of(plan, chunk), piece, strict=True):
            wanted = j / plan.interpolation.factor
            assert shot.start_frame <= wanted < shot.start_frame + shot.num_frames
            last = _last_of(plan, chunk)
            held = float(min(wanted, Fraction(last)))
            assert told(picture) == pytest.approx(held, abs=2e-3)


def _last_of(plan: Plan, chunk: Chunk) -> int:
    """The last generated picture that is known to the shot: it is held."""
    of_shot = [each for each in plan.chunks if each.shot == chunk.shot]
    return of_shot[-1].end_frame - 1 + of_shot[-1].lookahead_frames


@settings(deadline=None)
@given(length=durations, rate=rates, engine_fps=st.sampled_from([16, 25]))
def test_a_duration_gives_as_many_pictures_as_it_needs_at_that_rate(
    length: Fraction, rate: Fraction, engine_fps: int
) -> None:
    factor = rate / engine_fps
    whole = AudioClip(SOUND, Fraction(0), length, length, 48000, 2)
    clip, count, _ = fit_sound(Request(audio=SOUND), whole, Fraction(engine_fps), factor)
    assert count == math.ceil(length * engine_fps)
    assert clip.sound_duration == length
    pictures = clip.duration * rate
    if factor.denominator == 1:
        assert pictures == count * factor
    else:
        assert pictures == math.ceil(length * rate)


@settings(deadline=None)
@given(frames=st.integers(1, 500), rate=rates)
def test_a_count_of_frames_is_the_engines_own_at_any_rate(frames: int, rate: Fraction) -> None:
    request, whole = Request(audio=SOUND, num_frames=frames), Fraction(100)
    clip, count, _ = fit_sound(
        request, AudioClip(SOUND, Fraction(0), whole, whole, 48000, 2), Fraction(16), rate / 16
    )
    assert count == frames
    assert clip.duration * rate == math.ceil(Fraction(frames, 16) * rate)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(24, [0, 0.667, 1.333, 2, 2.667]), (12, [0, 1.333, 2.667]), (32, [0, 0.5, 1, 1.5, 2, 2.5])],
)
def test_three_pictures_at_other_rates(rate: int, expected: list[float]) -> None:
    """16 pictures a second; 3 of them last 3/16 s."""
    request, length = Request(audio=SOUND, num_frames=3), Fraction(1)
    geometry, factor = ChunkGeometry(Fraction(16), 80, 4), Fraction(rate, 16)
    whole = AudioClip(SOUND, Fraction(0), length, length, 48000, 2)
    clip, count, _ = fit_sound(request, whole, geometry.fps, factor)
    plan = make_plan(request, geometry, clip, count, Interpolation("flow", factor))
    (piece,) = pieces(plan, resumed=False)
    assert [round(told(picture), 3) for picture in piece] == expected
