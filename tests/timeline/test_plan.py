"""Every frame lies in exactly one chunk, whatever the length, the rate and the geometry."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.errors import InputError
from soundreel.timeline.plan import (
    MAX_FRAMES,
    choose_interpolation,
    chunk_lengths,
    cut_shot,
    fit_sound,
    make_plan,
)
from soundreel.types import AudioClip, ChunkGeometry, Interpolation, Plan, Request, Shot, Take

SOUND = Path("song.wav")
WAN = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3, lead_in_frames=3)
COMFYUI = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3)
PREVIEW = ChunkGeometry(Fraction(25), 100)


@st.composite
def geometries(draw: st.DrawFn) -> ChunkGeometry:
    grid = draw(st.integers(1, 8))
    chunk = grid * draw(st.integers(1, 40))
    dropped = draw(st.integers(0, min(grid, chunk) - 1))
    fps = draw(st.sampled_from([Fraction(8), Fraction(16), Fraction(30000, 1001), Fraction(60)]))
    return ChunkGeometry(fps, chunk, grid, dropped, draw(st.integers(0, 8)))


lengths = st.one_of(st.integers(1, 400), st.integers(1, 3000))
factors = st.sampled_from([1, 2, 3, 4])


def sound_of(length: Fraction) -> AudioClip:
    """A file of that length."""
    return AudioClip(SOUND, Fraction(0), length, length, 48000, 2)


def planned(geometry: ChunkGeometry, count: int, factor: int = 1, start: int = 0) -> Plan:
    shown = count / geometry.fps
    clip = AudioClip(SOUND, Fraction(start), shown, shown, 44100, 2)
    method = "flow" if factor > 1 else "none"
    return make_plan(
        Request(audio=SOUND), geometry, clip, count, Interpolation(method, Fraction(factor))
    )


@settings(deadline=None)
@given(geometry=geometries(), count=lengths, factor=factors)
def test_every_frame_lies_in_exactly_one_chunk(
    geometry: ChunkGeometry, count: int, factor: int
) -> None:
    plan = planned(geometry, count, factor)
    frame = 0
    for index, chunk in enumerate(plan.chunks):
        assert chunk.index == index
        assert chunk.start_frame == frame
        assert chunk.num_frames >= 1
        frame = chunk.end_frame
    assert frame == plan.num_frames == count
    assert plan.output_frames == count * factor


@settings(deadline=None)
@given(geometry=geometries(), count=lengths)
def test_slots_adjoin_and_only_the_ends_are_thrown_away(
    geometry: ChunkGeometry, count: int
) -> None:
    plan = planned(geometry, count)
    slot = 0
    for chunk in plan.chunks:
        assert chunk.first_slot == slot
        assert chunk.generated_frames % geometry.grid == 0
        assert 0 < chunk.generated_frames <= geometry.chunk_frames
        assert chunk.dropped_frames == (geometry.dropped_frames if chunk.index == 0 else 0)
        assert chunk.trimmed_frames == 0 or chunk is plan.chunks[-1]
        slot += chunk.generated_frames
    assert plan.chunks[-1].trimmed_frames < geometry.grid
    assert slot == geometry.dropped_frames + count + plan.chunks[-1].trimmed_frames


@settings(deadline=None)
@given(geometry=geometries(), count=lengths)
def test_the_first_chunk_is_full_and_the_rest_is_balanced(
    geometry: ChunkGeometry, count: int
) -> None:
    first, *rest = chunk_lengths(geometry.dropped_frames + count, geometry)
    assert not rest or first == geometry.chunk_frames
    if rest:
        assert max(rest) - min(rest) <= geometry.grid
        assert rest == sorted(rest, reverse=True)
        assert len(rest) == math.ceil(sum(rest) / geometry.chunk_frames)


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (1, [4]),
        (77, [80]),
        (80, [80]),
        (84, [80, 4]),
        (160, [80, 80]),
        (164, [80, 44, 40]),
        (240, [80, 80, 80]),
        (244, [80, 56, 56, 52]),
    ],
)
def test_chunk_lengths_of_the_usual_geometry(slots: int, expected: list[int]) -> None:
    assert chunk_lengths(slots, WAN) == expected


@settings(deadline=None)
@given(geometry=geometries(), count=lengths, factor=factors)
def test_one_more_picture_is_rendered_for_the_interpolator_only_where_there_is_one(
    geometry: ChunkGeometry, count: int, factor: int
) -> None:
    *others, last = planned(geometry, count, factor).chunks
    assert all(chunk.lookahead_frames == 0 for chunk in others)
    assert last.lookahead_frames == (factor > 1 and last.trimmed_frames > 0)


@settings(deadline=None)
@given(geometry=geometries(), count=lengths, start=st.integers(0, 3000))
def test_each_kept_frame_is_driven_by_its_own_moment(
    geometry: ChunkGeometry, count: int, start: int
) -> None:
    """Slot s of the shot hears start + (s - lead_in) / fps: a kept frame hears its own time where
    the lead-in makes up for the dropped ones."""
    plan = planned(geometry, count, start=start)
    for chunk in plan.chunks:
        slot_of_first_kept = chunk.first_slot + chunk.dropped_frames
        early = geometry.dropped_frames - geometry.lead_in_frames
        assert slot_of_first_kept - geometry.dropped_frames == chunk.start_frame
        heard = plan.sound_start(chunk) + chunk.dropped_frames / plan.fps
        assert heard == start + (chunk.start_frame + early) / plan.fps


def test_wan_frames_hear_their_own_moment() -> None:
    plan = planned(WAN, 200, start=10)
    assert plan.sound_start(plan.chunks[0]) == 10 - Fraction(3, 16)
    assert plan.sound_start(plan.chunks[1]) == 10 + Fraction(77, 16)
    assert plan.chunks[1].start_frame == 77


@settings(deadline=None)
@given(first=st.integers(1, 300), second=st.integers(1, 300), geometry=geometries())
def test_a_later_shot_is_cut_as_if_it_were_the_first(
    first: int, second: int, geometry: ChunkGeometry
) -> None:
    alone = cut_shot(Shot(0, 0, second), geometry)
    later = cut_shot(Shot(1, first, second), geometry, 5)
    assert [c.generated_frames for c in later] == [c.generated_frames for c in alone]
    assert [c.start_frame - first for c in later] == [c.start_frame for c in alone]
    assert [c.index for c in later] == list(range(5, 5 + len(later)))
    assert later[-1].end_frame == first + second


durations = st.fractions(Fraction(1, 48000), 4000, max_denominator=48000)


@settings(deadline=None)
@given(length=durations, start=st.fractions(0, 100, max_denominator=1000), geometry=geometries())
def test_the_whole_sound_is_shown(
    length: Fraction, start: Fraction, geometry: ChunkGeometry
) -> None:
    request = Request(audio=SOUND, start=start)
    clip, count, notices = fit_sound(request, sound_of(start + length), geometry.fps)
    assert clip.start == start
    assert clip.sound_duration == length
    assert clip.duration == count / geometry.fps
    assert 0 <= clip.duration - length < 1 / geometry.fps
    assert notices == []


@settings(deadline=None)
@given(length=durations, wanted=durations)
def test_a_duration_is_kept_to_the_frame_or_to_the_end_of_the_sound(
    length: Fraction, wanted: Fraction
) -> None:
    clip, count, notices = fit_sound(
        Request(audio=SOUND, duration=wanted), sound_of(length), Fraction(16)
    )
    assert clip.sound_duration == min(wanted, length)
    assert count == math.ceil(min(wanted, length) * 16)
    assert bool(notices) == (wanted > length)


@settings(deadline=None)
@given(length=durations, frames=st.integers(1, 5000))
def test_a_frame_count_is_exact_and_what_it_cuts_or_adds_is_said(
    length: Fraction, frames: int
) -> None:
    clip, count, notices = fit_sound(
        Request(audio=SOUND, num_frames=frames), sound_of(length), Fraction(16)
    )
    shown = Fraction(frames, 16)
    assert (count, clip.duration) == (frames, shown)
    assert clip.sound_duration == min(shown, length)
    assert bool(notices) == (shown != length)


def test_real_sound_after_the_segment_comes_before_silence() -> None:
    request = Request(audio=SOUND, start=Fraction(1), duration=Fraction(2), num_frames=64)
    clip, _, _ = fit_sound(request, sound_of(Fraction(10)), Fraction(16))
    assert clip.sound_duration == 4


@pytest.mark.parametrize("start", [Fraction(10), Fraction(11)])
def test_a_start_at_or_beyond_the_end_is_refused(start: Fraction) -> None:
    with pytest.raises(InputError, match="beyond the end"):
        fit_sound(Request(audio=SOUND, start=start), sound_of(Fraction(10)), Fraction(16))


def test_more_than_a_day_of_video_is_refused() -> None:
    request = Request(audio=SOUND, num_frames=MAX_FRAMES + 1)
    with pytest.raises(InputError, match="more than a day"):
        fit_sound(request, sound_of(Fraction(10)), Fraction(16))


@settings(deadline=None)
@given(
    engine_fps=st.sampled_from([Fraction(16), Fraction(25), Fraction(30000, 1001)]),
    factor=st.integers(2, 6),
)
def test_an_engine_interpolates_in_whole_multiples_and_flow_at_any_rate(
    engine_fps: Fraction, factor: int
) -> None:
    film, flow = frozenset({"film"}), frozenset({"flow"})

    def choose(method: str, target: Fraction | None) -> Interpolation:
        request = Request(audio=SOUND, fps=target, interpolate=method, engine="wan")
        return choose_interpolation(request, engine_fps, film, flow)

    for method in ("film", "flow"):
        multiple = choose(method, engine_fps * factor)
        assert multiple == Interpolation(method, Fraction(factor), by_engine=method == "film")
        assert choose(method, None).factor == 2
        with pytest.raises(InputError, match="cannot turn"):
            choose(method, engine_fps)
    for other in (engine_fps / 2, engine_fps * factor + 1):
        with pytest.raises(InputError, match="cannot turn"):
            choose("film", other)
        assert choose("flow", other) == Interpolation("flow", other / engine_fps)
        assert choose("auto", other) == Interpolation("flow", other / engine_fps)
    assert choose("auto", engine_fps) == choose("auto", None) == Interpolation()


def test_another_rate_needs_interpolation_and_the_method_must_exist() -> None:
    none = Request(audio=SOUND, fps=Fraction(30), interpolate="none", engine="wan")
    film = Request(audio=SOUND, interpolate="film", engine="wan")
    by_engine, local = frozenset({"film"}), frozenset({"flow"})
    with pytest.raises(InputError, match="16 pictures a second"):
        choose_interpolation(none, Fraction(16), by_engine, local)
    with pytest.raises(InputError, match="cannot do that"):
        choose_interpolation(film, Fraction(16), frozenset(), local)
    assert choose_interpolation(film, Fraction(16), by_engine, local).by_engine


def test_a_take_is_of_one_chunk_alone() -> None:
    shot = Shot(0, 0, 161, prompt="sea", seed=5)
    plain = cut_shot(shot, WAN)
    taken = cut_shot(replace(shot, takes={2: Take(seed=99), 3: Take(prompt="fire")}), WAN)
    assert [(chunk.seed, chunk.prompt) for chunk in taken] == [
        (5, "sea"), (99, "sea"), (7, "fire"),
    ]  # fmt: skip
    assert [chunk.num_frames for chunk in taken] == [chunk.num_frames for chunk in plain]
    with pytest.raises(InputError, match="has no part 4, but 3"):
        cut_shot(replace(shot, takes={4: Take(seed=1)}), WAN)
