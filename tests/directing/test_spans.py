"""Prompts in time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.directing.direct import direct
from soundreel.directing.spans import read_prompt
from soundreel.errors import InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request, ShotRequest

SOUND = Path("song.wav")
WAN = ChunkGeometry(Fraction(16), 80, grid=4, dropped_frames=3, lead_in_frames=3)


def planned(
    prompt: str,
    seconds: int = 30,
    start: int = 0,
    shots: tuple[ShotRequest, ...] | str = "none",
    geometry: ChunkGeometry = WAN,
) -> tuple[Plan, list[str]]:
    said: list[Event] = []
    count = int(seconds * geometry.fps)
    clip = AudioClip(SOUND, Fraction(start), Fraction(seconds), Fraction(seconds), 16000, 1)
    asked = Request(audio=SOUND, prompt=prompt, seed=1, shots=shots)
    request, made = direct(asked, clip, count, geometry.fps, RunControl(said.append))
    plan = make_plan(request, geometry, clip, count, shots=made)
    return plan, [event.message for event in said if isinstance(event, Notice)]


def seen(plan: Plan) -> list[tuple[float, str]]:
    """(second, prompt) of every change, the first prompt included."""
    found: list[tuple[float, str]] = []
    for chunk in plan.chunks:
        if not found or found[-1][1] != chunk.prompt:
            found.append((float(chunk.start_frame / plan.fps), chunk.prompt))
    return found


def test_spans_are_read_with_what_stands_before_them() -> None:
    prompt = read_prompt("a sea [0:12-] storm, waves [0:02.5-0:12] calm", "other")
    assert prompt.plain == "a sea"
    assert prompt.at(Fraction(0)) == "a sea"
    assert prompt.at(Fraction(5, 2)) == "calm"
    assert prompt.at(Fraction(12)) == "storm, waves"
    assert read_prompt("[1-3] calm", "other").at(Fraction(4)) == "other"


@pytest.mark.parametrize("text", ["a [blurry] sea", "[red-blue] sky", "[] x", "range [-] x"])
def test_other_brackets_are_words(text: str) -> None:
    assert read_prompt(text, "").spans == ()
    assert read_prompt(text, "").plain == text


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("[0:05-0:06.5] short", ("0:05", "0:06.5")),
        ("[0:08-0:04] back", ("0:08", "0:04")),
        ("[0:00-0:08] a [0:07-0:12] b", ("0:00", "0:07")),
        ("[0:00-] a [0:07-0:12] b", ("0:00", "0:07")),
        ("[0:00-0:08] a [0:09-] b", ("0:08", "0:09")),
        ("[0:00-0:08] [0:09-] b", ("0:00", "0:08")),
        ("[0:75-0:80] b", ("0:75", "0:80")),
    ],
)
def test_a_span_that_cannot_be_names_both_times(text: str, times: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        read_prompt(text, "")
    assert all(time in caught.value.message for time in times)


def test_a_change_is_seen_at_the_next_point_of_the_grid() -> None:
    plan, _ = planned("[0:00-0:12] calm sea [0:12-] storm")
    assert seen(plan) == [(0, "calm sea"), (12.0625, "storm")]
    assert all(chunk.generated_frames % 4 == 0 for chunk in plan.chunks)


@settings(deadline=None, max_examples=60)
@given(
    at=st.fractions(Fraction(2), Fraction(28), max_denominator=997),
    start=st.integers(0, 50),
    grid=st.integers(1, 4),
)
def test_a_change_is_seen_within_a_quarter_of_a_second(at: Fraction, start: int, grid: int) -> None:
    geometry = ChunkGeometry(Fraction(16), 80 - 80 % grid, grid, dropped_frames=grid - 1)
    prompt = f"calm [{float(start + at):.6f}-] storm"
    exact = Fraction(f"{float(start + at):.6f}") - start
    plan, _ = planned(prompt, 30, start, geometry=geometry)
    [_, (second, text)] = seen(plan)
    assert text == "storm"
    assert 0 <= Fraction(second) - exact < Fraction(1, 4)
    assert sum(chunk.num_frames for chunk in plan.chunks) == plan.num_frames
    assert all(0 < chunk.generated_frames <= geometry.chunk_frames for chunk in plan.chunks)


def test_a_change_near_a_cut_is_made_at_the_cut_and_said() -> None:
    shots = (ShotRequest(start=Fraction(0)), ShotRequest(start=Fraction(12)))
    for time in ("0:12.3", "0:11.7", "0:12"):
        plan, said = planned(f"calm [{time}-] storm", shots=shots)
        assert seen(plan) == [(0, "calm"), (12, "storm")]
        assert bool(said) == (time != "0:12")


def test_a_shots_own_prompt_stands_above_the_requests_spans() -> None:
    shots = (
        ShotRequest(start=Fraction(0)),
        ShotRequest(start=Fraction(10), prompt="[0:15-0:20] fire"),
        ShotRequest(start=Fraction(22), prompt="ice"),
    )
    plan, _ = planned("plain [0:00-0:05] calm [0:05-] storm", shots=shots)
    assert [text for _, text in seen(plan)] == ["calm", "storm", "plain", "fire", "plain", "ice"]


def test_only_the_first_chunk_of_a_shot_is_full_and_later_runs_are_balanced() -> None:
    plan, _ = planned("[0:00-0:02] calm [0:02-] storm", 12)
    first, *rest = [chunk.generated_frames for chunk in plan.chunks]
    assert first == 36
    assert max(rest) - min(rest) <= 4
