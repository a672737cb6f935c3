"""From a list of shots to pictures: exact, whole, and each with its own seed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.directing.direct import direct, seed_of
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.timeline.plan import fit_sound, make_plan
from soundreel.timeline.rates import outputs_of, outputs_of_shot
from soundreel.types import (
    AudioClip,
    ChunkGeometry,
    Interpolation,
    Plan,
    Request,
    ShotRequest,
)

SOUND = Path("song.wav")
WAN = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3, lead_in_frames=3)


def planned(
    request: Request, length: Fraction, geometry: ChunkGeometry = WAN, factor: Fraction | int = 1
) -> tuple[Plan, list[str]]:
    events: list[Event] = []
    whole = AudioClip(SOUND, Fraction(0), length, length, 48000, 2)
    clip, count, _ = fit_sound(request, whole, geometry.fps, Fraction(factor))
    asked, shots = direct(request, clip, count, geometry.fps, RunControl(events.append))
    method = "flow" if factor != 1 else "none"
    plan = make_plan(asked, geometry, clip, count, Interpolation(method, Fraction(factor)), shots)
    return plan, [event.message for event in events if isinstance(event, Notice)]


def cut(*starts: float | str | Fraction, **more: object) -> Request:
    shots = tuple(ShotRequest(start=Fraction(start)) for start in starts)
    return Request(audio=SOUND, shots=shots, **{"seed": 5, **more})  # type: ignore[arg-type]


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(1000, 9000), min_size=500, max_size=500),
    fps=st.sampled_from([Fraction(16), Fraction(25), Fraction(30000, 1001)]),
    grid=st.integers(1, 4),
    factor=st.integers(1, 3),
    start=st.integers(0, 7),
)
def test_after_500_shots_picture_and_sound_agree_to_the_sample(
    lengths: list[int], fps: Fraction, grid: int, factor: int, start: int
) -> None:
    """Shot k's first picture hears the very moment at which it is shown, on no grid but its own;
    all pictures of engine and file lie in one piece each."""
    geometry = ChunkGeometry(fps, 20 * grid, grid, dropped_frames=grid - 1, lead_in_frames=grid - 1)
    starts = [Fraction(sum(lengths[:k]), 9973) for k in range(500)]
    request = replace(cut(*starts), start=Fraction(start))
    plan, _ = planned(request, Fraction(sum(lengths), 9973), geometry, factor)
    assert plan.audio.duration == plan.num_frames / fps
    frame, shown = 0, 0
    for chunk in plan.chunks:
        assert chunk.start_frame == frame
        hears = plan.sound_start(chunk) + (chunk.dropped_frames) / fps
        assert hears == plan.audio.start + Fraction(frame) / fps
        outputs = outputs_of(plan, chunk)
        assert outputs.start == shown
        frame, shown = chunk.end_frame, outputs.stop
    assert (frame, shown) == (plan.num_frames, plan.output_frames)
    for shot in plan.shots:
        asked = next(s for s in plan.request.shot_list if s.seed == shot.seed)
        if shot.index:
            off = plan.audio.start + shot.start_frame / fps - asked.start
            assert abs(off) <= 1 / (2 * fps)


@settings(deadline=None)
@given(
    starts=st.lists(st.integers(1, 900), min_size=1, max_size=9, unique=True),
    factor=st.integers(1, 3),
)
def test_the_files_pictures_of_the_shots_adjoin(starts: list[int], factor: int) -> None:
    request = cut(0, *(Fraction(start, 10) for start in sorted(starts)))
    plan, _ = planned(request, Fraction(100), factor=factor)
    spans = [outputs_of_shot(plan, shot) for shot in plan.shots]
    assert spans[0].start == 0
    assert all(before.stop == after.start for before, after in pairwise(spans))
    assert spans[-1].stop == plan.output_frames


def test_every_shots_first_chunk_is_full_where_it_can_be() -> None:
    plan, _ = planned(cut(0, 3, 23), Fraction(43))
    firsts = [chunk.generated_frames for chunk in plan.chunks if chunk.first_slot == 0]
    assert firsts == [52, 80, 80]


def test_seeds_are_written_into_the_list_and_count_up_inside_a_shot() -> None:
    plan, _ = planned(cut(0, 3, 23), Fraction(43))
    seeds = [shot.seed for shot in plan.request.shot_list]
    assert seeds == [5, seed_of(5, 1), seed_of(5, 2)]
    assert len(set(seeds)) == 3
    for shot in plan.shots:
        own = [chunk.seed for chunk in plan.chunks if chunk.shot == shot.index]
        assert own == list(range(shot.seed, shot.seed + len(own)))


def test_seeds_never_change_from_version_to_version() -> None:
    assert [seed_of(0, 1), seed_of(0, 2), seed_of(7, 1)] == [369467572, 747811551, 322054001]


def test_a_part_of_the_sound_shows_its_part_of_the_list_with_the_same_seeds() -> None:
    whole, _ = planned(cut(0, 10, 20, 30), Fraction(40))
    part, said = planned(cut(0, 10, 20, 30, start=15, duration=10), Fraction(40))
    assert [shot.num_frames for shot in part.shots] == [80, 80]
    assert [shot.seed for shot in part.shots] == [shot.seed for shot in whole.shots[1:3]]
    assert said == ["2 shots of the list lie outside of the video"]


def test_moved_cuts_are_said() -> None:
    plan, said = planned(cut(0, "4.98", 10), Fraction(20))
    assert plan.shots[1].start_frame == 80
    assert said == [
        "1 of 2 cuts moved by up to 20 ms, to where a picture of the engine begins (16 a second)"
    ]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (cut(1, 5), "no shot is listed from 0:00 to 0:01"),
        (cut(0, 5, "5.01"), "shorter than a picture"),
        (Request(audio=SOUND, shots=(ShotRequest(start=Fraction(0), end=Fraction(4)),)), "0:04 to"),
    ],
)
def test_what_cannot_be_shown_is_refused(request_: Request, words: str) -> None:
    with pytest.raises(InputError, match=words):
        planned(request_, Fraction(20))


def test_a_shot_takes_what_it_does_not_say_from_the_request() -> None:
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(3), prompt="b", seed=0))
    plan, _ = planned(
        Request(audio=SOUND, prompt="a", negative_prompt="n", image=Path("i.png"), shots=shots),
        Fraction(9),
    )
    first, second = plan.shots
    assert (first.prompt, first.negative_prompt, first.image) == ("a", "n", Path("i.png"))
    assert (second.prompt, second.negative_prompt, second.seed) == ("b", "n", 0)
    assert first.seed == -1
