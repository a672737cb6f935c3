"""Shots that give way to each other by a crossfade: planned, and in the file."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from directing.test_direct import SOUND, cut, planned
from fakes import FakeReady, cancel_after, frames_of, sidecar_of
from media_factory import sine, write_audio
from mixing import pictures_by_shot, spy_on_encoder
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError
from soundreel.events import RunControl
from soundreel.finished.replay import replay_request
from soundreel.proof.rules.times import chunk_starts
from soundreel.timeline.pieces import crossfade_into, pieces_of, share_of, shown_alone
from soundreel.timeline.rates import outputs_of
from soundreel.types import ChunkGeometry, Encoding, Request, Rgb, ShotRequest
from soundreel.video.reader import probe_video

HALF_S = "crossfade:0.5"
RUNNER = Path(__file__).parents[1] / "run_fake.py"
STARTS = (0, Fraction(3, 2), 3)
"""Seconds: 24, 24 and 32 pictures of the tone's 80."""


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def three(tone: Path, output: Path, **changes: object) -> Request:
    shots = tuple(ShotRequest(start=Fraction(start)) for start in STARTS)
    values: dict[str, object] = {"audio": tone, "engine": "fake", "width": 64, "height": 48}
    values |= {"seed": 3, "output": output, "shots": shots, "transition": HALF_S}
    return Request(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Rgb]:
    return spy_on_encoder(monkeypatch)


# --- planned ------------------------------------------------------------------------------------


def test_a_shot_is_longer_by_half_of_the_crossfade_where_it_has_a_neighbour() -> None:
    plan, _ = planned(cut(0, 5, 12, transition=HALF_S), Fraction(20))
    spans = [(shot.start_frame, shot.end_frame) for shot in plan.shots]
    assert spans == [(0, 84), (76, 196), (188, 320)]
    assert [(shot.span.start, shot.span.stop) for shot in plan.shots] == [
        (0, 80), (80, 192), (192, 320),
    ]  # fmt: skip
    heard = [plan.sound_start(chunk) for chunk in plan.chunks if chunk.first_slot == 0]
    assert heard == [Fraction(first - 3, 16) for first, _ in spans], "the real sound of its time"


def test_a_shot_may_say_its_own_transition() -> None:
    shots = (
        ShotRequest(start=Fraction(0)),
        ShotRequest(start=Fraction(5), transition="cut"),
        ShotRequest(start=Fraction(10)),
    )
    request = replace(cut(0, transition="crossfade:1"), shots=shots)
    plan, _ = planned(request, Fraction(20))
    assert [shot.fade_in for shot in plan.shots] == [0, 0, 16]
    assert [shot.transition for shot in plan.request.shot_list] == [None, "cut", "crossfade:1"]
    assert plan.request.transition == "cut", "the list says it all"


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(1000, 9000), min_size=2, max_size=60),
    fps=st.sampled_from([Fraction(16), Fraction(25), Fraction(30000, 1001)]),
    factor=st.sampled_from([Fraction(n, d) for n, d in ((1, 1), (2, 1), (15, 8), (1, 7))]),
    longest=st.integers(4, 80),
    fade=st.sampled_from(["0.1", "0.25", "0.49"]),
    end=st.integers(0, 999),
)
def test_the_pieces_are_all_pictures_and_each_is_mixed_of_the_right_two(
    lengths: list[int], fps: Fraction, factor: Fraction, longest: int, fade: str, end: int
) -> None:
    """However short the chunks are, whatever the rates."""
    starts = [Fraction(sum(lengths[:k]), 1000) for k in range(len(lengths))]
    geometry = ChunkGeometry(fps, longest // 4 * 4, grid=4, dropped_frames=3, lead_in_frames=3)
    length = Fraction(sum(lengths) * 1000 + end, 1_000_000)
    plan, _ = planned(cut(*starts, transition=f"crossfade:{fade}"), length, geometry, factor)
    pieces = pieces_of(plan)
    assert [number for piece in pieces for number in piece.frames] == list(
        range(plan.output_frames)
    )
    assert [piece.chunk for piece in pieces if not piece.mixed] == list(range(len(plan.chunks)))
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    made = [set[int]() for _ in plan.shots]
    for chunk in plan.chunks:
        made[chunk.shot] |= set(outputs_of(plan, chunk))
    for before, shot in pairwise(plan.shots):
        mixed = set(crossfade_into(plan, shot))
        assert mixed == made[before.index] & made[shot.index]
        assert all(0 <= share_of(plan, shot, number) < 1 for number in mixed)
        at_cut = shot.span.start * factor
        assert at_cut.denominator > 1 or share_of(plan, shot, int(at_cut)) == Fraction(1, 2)
        assert not set(shown_alone(plan, shot)) & made[before.index]
    assert all(shot.num_frames >= 4 for shot in plan.shots)


@pytest.mark.parametrize(
    ("transition", "starts", "words"),
    [
        (HALF_S, (0, 10, Fraction(107, 10)), "longer than half of shot 2, which lasts 0.6875 s"),
        ("crossfade:6", (0, 10), "longer than half of shot 1, which lasts 10 s"),
        ("crossfade:0.05", (0, 10), "shorter than two pictures of the engine"),
    ],
)
def test_a_crossfade_that_does_not_fit_is_an_error(
    transition: str, starts: tuple[Fraction, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        planned(cut(*starts, transition=transition), Fraction(20))
    assert caught.value.hint


@pytest.mark.parametrize("value", ["fade", "crossfade", "crossfade:0", "crossfade:11", "0.5", 3])
def test_a_transition_that_cannot_be_read_is_an_error(value: object) -> None:
    with pytest.raises(InputError, match="crossfade"):
        Request(audio=Path("a.wav"), transition=value)  # type: ignore[arg-type]


def test_two_speakers_are_not_mixed() -> None:
    """One sound would drive both faces."""
    shots = tuple(
        ShotRequest(start=Fraction(5 * k), speaker=name) for k, name in enumerate(("anna", "ben"))
    )
    with pytest.raises(InputError, match="ben speaks after anna"):
        planned(replace(cut(0, transition=HALF_S), shots=shots), Fraction(20))


def test_lengths_are_whole_pictures_on_both_sides_and_said() -> None:
    plan, said = planned(cut(0, 5, transition="crossfade:0.6"), Fraction(20))
    assert plan.shots[1].fade_in == 10
    assert any("0.6 s last 0.625 s" in text for text in said)


# --- in the file --------------------------------------------------------------------------------


def test_at_the_cut_both_shots_have_half_and_at_the_ends_one_has_all(
    tone: Path, tmp_path: Path, settings: Settings, written: list[Rgb]
) -> None:
    plan = generate(three(tone, tmp_path / "a.mp4"), settings).plan
    with FakeReady().open(plan, RunControl()) as session:
        first, second, _ = pictures_by_shot(plan, session)
    mean = (first[24].astype(int) + second[24] + 1) // 2
    assert np.array_equal(written[24], mean)
    assert np.array_equal(written[20], first[20])
    assert np.array_equal(written[28], second[28])
    assert not np.array_equal(first[24], second[24])


def test_outside_of_the_crossfades_all_is_as_with_hard_cuts(
    tone: Path, tmp_path: Path, settings: Settings, written: list[Rgb]
) -> None:
    """Where an engine has no state, in every shot."""
    made = generate(three(tone, tmp_path / "a.mp4", engine="preview"), settings)
    faded = written.copy()
    written.clear()
    generate(three(tone, tmp_path / "b.mp4", engine="preview", transition="cut"), settings)
    alone = [number for shot in made.plan.shots for number in shown_alone(made.plan, shot)]
    assert len(alone) == 80 - 2 * 8
    assert all(np.array_equal(faded[number], written[number]) for number in alone)
    assert not np.array_equal(faded[24], written[24])


def test_the_first_shots_state_is_as_with_a_hard_cut(
    tone: Path, tmp_path: Path, settings: Settings, written: list[Rgb]
) -> None:
    """It begins where it did; the others begin earlier, and with them their state."""
    generate(three(tone, tmp_path / "a.mp4"), settings)
    faded = written.copy()
    written.clear()
    generate(three(tone, tmp_path / "b.mp4", transition="cut"), settings)
    assert np.array_equal(faded[:20], written[:20])


@pytest.mark.parametrize("interpolate", ["none", "flow"])
@pytest.mark.parametrize("share", [Fraction(22, 80), Fraction(27, 80), Fraction(53, 80)])
def test_a_job_stopped_in_a_crossfade_goes_on_to_the_same_bytes(
    tone: Path, tmp_path: Path, settings: Settings, share: Fraction, interpolate: str
) -> None:
    """In the first half, in the second, in the second one."""
    whole = three(tone, tmp_path / "whole.mp4", interpolate=interpolate)
    broken = replace(whole, output=tmp_path / "broken.mp4")
    frames = generate(whole, settings).plan.output_frames
    with pytest.raises(Cancelled):
        generate(broken, settings, control=cancel_after(int(frames * share)))
    assert generate(broken, settings).resumed_chunks > 0
    assert digest(tmp_path / "broken.mp4") == digest(tmp_path / "whole.mp4")


def test_a_process_killed_in_a_crossfade_leaves_what_gives_the_same_bytes(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = tmp_path / "shots.toml"
    shots.write_text("".join(f"[[shot]]\nstart = {float(start)}\n" for start in STARTS))
    values = ["--engine", "fake", "--size", "64x48", "--seed", "3", "--shots", str(shots)]
    values += ["--transition", HALF_S, "--work-dir", str(settings.work_dir)]
    command = [sys.executable, str(RUNNER), str(tone), *values, "-o", str(tmp_path / "a.mp4")]
    monkeypatch.setenv("FAKE_KILL_AT", "25")  # seen by both shots: the first ends with picture 27
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    monkeypatch.delenv("FAKE_KILL_AT")
    subprocess.run(command, timeout=60, check=True)
    whole = generate(three(tone, tmp_path / "b.mp4"), settings)
    assert digest(tmp_path / "a.mp4") == digest(whole.path)


def test_many_shots_keep_their_time(tmp_path: Path, settings: Settings) -> None:
    """Each picture of the fake shows the loudness of its own sixteenth of a second, also where two
    are mixed: both shots hear the same moment."""
    count = 30 * 8
    random = np.random.default_rng(1)
    levels = np.repeat(random.uniform(0.6, 1, count), 1000).astype(np.float32)
    sound = levels * sine(count / 16, rate=16000, level=1.0)
    audio = write_audio(tmp_path / "a.wav", sound, rate=16000)
    shots = tuple(ShotRequest(start=Fraction(k, 2)) for k in range(30))
    request = three(
        audio, tmp_path / "a.mp4", shots=shots, width=16, height=16, transition="crossfade:0.25"
    )
    made = generate(request, settings)
    assert [shot.fade_in for shot in made.plan.shots] == [0] + 29 * [4]
    shown = np.array([float(picture[4, 4, 1]) / 255 for picture in frames_of(made.path)])
    assert np.abs(shown - np.abs(sound).reshape(count, -1).max(axis=1)).max() < 0.03
    assert probe_video(made.path).duration == Fraction(count, 16)


def test_the_record_holds_it_and_repeats_it(tone: Path, tmp_path: Path, settings: Settings) -> None:
    made = generate(three(tone, tmp_path / "a.mp4"), settings)
    record = json.loads(json.dumps(sidecar_of(made.path)))
    assert record["plan"]["shots"] == [[0, 24], [24, 24], [48, 32]]
    assert record["plan"]["crossfades"] == [0, 8, 8]
    assert [shot.get("transition") for shot in record["request"]["shots"]] == [None, HALF_S, HALF_S]
    again = replay_request(made.path, None, None)
    output = tmp_path / "b.mp4"
    generate(replace(again, output=output), settings)
    assert digest(output) == digest(made.path)


def test_a_video_is_made_again_with_another_transition(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    """What all shots have is the request's; what one says itself stays."""
    made = generate(three(tone, tmp_path / "a.mp4"), settings)
    again = replay_request(made.path, None, None)
    assert again.transition == HALF_S
    hard = replace(again, transition="cut", output=tmp_path / "b.mp4")
    plain = generate(three(tone, tmp_path / "c.mp4", transition="cut"), settings)
    assert digest(generate(hard, settings).path) == digest(plain.path)
    shots = made.plan.request.shot_list
    own = (*shots[:2], replace(shots[2], transition="cut"))
    other = generate(three(tone, tmp_path / "d.mp4", shots=own), settings)
    again = replay_request(other.path, None, None)
    assert (again.transition, again.shot_list[2].transition) == ("cut", "cut")
    assert again.shot_list[1].transition == HALF_S


@pytest.mark.parametrize("interpolate", ["none", "flow"])
def test_a_check_knows_where_its_chunks_begin(
    tone: Path, tmp_path: Path, settings: Settings, interpolate: str
) -> None:
    """Also where the spans of shots overlap, and chunks count more pictures than the video has."""
    made = generate(three(tone, tmp_path / "a.mp4", interpolate=interpolate), settings)
    plan, record = made.plan, sidecar_of(made.path)
    borders, cuts = chunk_starts(record, plan.output_frames)
    factor = int(plan.interpolation.factor)
    inside = [chunk.start_frame for chunk in plan.chunks if chunk.first_slot]
    assert borders == [frame * factor for frame in inside]
    assert cuts == [24 * factor, 48 * factor]


def test_animated_pictures_are_drawn_from_mixed_pieces_too(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    small = Encoding(container="webp")
    made = generate(three(tone, tmp_path / "a.webp", encoding=small), settings)
    assert made.plan.output_frames == 80


def test_one_shot_has_nothing_to_fade_to() -> None:
    plan, said = planned(Request(audio=SOUND, transition=HALF_S), Fraction(5))
    assert len(plan.shots) == 1
    assert any("one shot only" in text for text in said)
