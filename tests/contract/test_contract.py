"""What every engine promises, whoever wrote it. Engines are listed in conftest.py beside this."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.harness import Harness
from fakes import frames_of
from media_factory import clicks, write_audio
from mixing import mixed, pictures_by_shot, spy_on_encoder
from soundreel.api import generate, plan_request
from soundreel.audio.load import probe
from soundreel.engines.base import Engine, Session
from soundreel.errors import Cancelled, InputError
from soundreel.events import (
    Event,
    FrameDone,
    Notice,
    RunControl,
    StageFinished,
    StageStarted,
    StepDone,
)
from soundreel.remake import remake
from soundreel.types import Chunk, Frame, Plan, ShotRequest


@pytest.fixture
def engine(harness: Harness) -> Engine:
    return harness.make(harness.settings)


def plan_for(harness: Harness, engine: Engine, audio: Path, **changes: object) -> Plan:
    request = harness.request(audio, **changes)
    return plan_request(request, probe(audio), engine, RunControl())


def render(session: Session, chunk: Chunk, control: RunControl | None = None) -> list[Frame]:
    return list(session.render(chunk, control or RunControl()))


def render_all(engine: Engine, plan: Plan) -> list[np.ndarray]:
    return render_until(engine, plan, plan.chunks[-1])


def render_until(engine: Engine, plan: Plan, last: Chunk) -> list[np.ndarray]:
    chunks = plan.chunks[: last.index + 1]
    with engine.find(plan.request).open(plan, RunControl()) as session:
        return [frame.rgb for chunk in chunks for frame in render(session, chunk)]


def fingerprint(pictures: list[np.ndarray]) -> list[str]:
    return [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]


def frames_over_chunks(engine: Engine, harness: Harness, audio: Path, chunks: int) -> int:
    """A frame count that needs exactly so many chunks, the last one short."""
    geometry = engine.geometry(harness.request(audio))
    if chunks == 1:
        return min(geometry.chunk_frames - geometry.dropped_frames, 9)
    return (chunks - 1) * geometry.chunk_frames - geometry.dropped_frames + 5


def test_geometry_is_pure_and_sane(harness: Harness, engine: Engine, tone: Path) -> None:
    geometry = engine.geometry(harness.request(tone))
    assert geometry == engine.geometry(harness.request(tone))
    assert geometry.fps > 0
    assert geometry.chunk_frames % geometry.grid == 0
    assert 0 <= geometry.dropped_frames < geometry.chunk_frames
    assert geometry.lead_in_frames >= 0


def test_pictures_have_count_order_shape_and_type(
    harness: Harness, engine: Engine, tone: Path
) -> None:
    count = frames_over_chunks(engine, harness, tone, 2)
    plan = plan_for(harness, engine, tone, num_frames=count)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        frames = [frame for chunk in plan.chunks for frame in render(session, chunk)]
    assert [frame.index for frame in frames] == list(range(count))
    for frame in frames:
        assert frame.rgb.shape == (harness.size[1], harness.size[0], 3)
        assert frame.rgb.dtype == np.uint8


def test_one_picture_is_possible(harness: Harness, engine: Engine, tone: Path) -> None:
    plan = plan_for(harness, engine, tone, num_frames=1)
    assert len(render_all(engine, plan)) == 1


def test_same_seed_same_pictures_other_seed_others(
    harness: Harness, engine: Engine, tone: Path
) -> None:
    first = plan_for(harness, engine, tone, num_frames=5)
    other = plan_for(harness, engine, tone, num_frames=5, seed=8)
    made = fingerprint(render_all(engine, first))
    if harness.deterministic:
        assert fingerprint(render_all(engine, first)) == made
    assert fingerprint(render_all(engine, other)) != made


def test_restored_session_continues_as_if_never_stopped(
    harness: Harness, engine: Engine, tone: Path
) -> None:
    count = frames_over_chunks(engine, harness, tone, 2)
    plan = plan_for(harness, engine, tone, num_frames=count)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        render(session, plan.chunks[0])
        state = session.snapshot()
        uninterrupted = [frame.rgb for frame in render(session, plan.chunks[1])]
    with harness.make(harness.settings).find(plan.request).open(plan, RunControl()) as session:
        session.restore(state)
        resumed = [frame.rgb for frame in render(session, plan.chunks[1])]
    assert fingerprint(resumed) == fingerprint(uninterrupted)


def test_cancel_stops_within_a_step_or_frame(harness: Harness, engine: Engine, tone: Path) -> None:
    plan = plan_for(harness, engine, tone, num_frames=9)
    control = RunControl()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            control.cancel()

    control.on_event = stop
    seen: list[int] = []

    def take_all(session: Session) -> None:
        for frame in session.render(plan.chunks[0], control):
            seen.append(frame.index)
            control.cancel()

    with engine.find(plan.request).open(plan, control) as session, pytest.raises(Cancelled):
        take_all(session)
    assert len(seen) <= 1


def test_events_are_told_through_the_control(harness: Harness, engine: Engine, tone: Path) -> None:
    """An engine that samples tells every step; one that does not tells its stages."""
    events: list[Event] = []
    plan = plan_for(harness, engine, tone, num_frames=5)
    control = RunControl(events.append)
    with engine.find(plan.request).open(plan, control) as session:
        render(session, plan.chunks[0], control)
    assert not [event for event in events if isinstance(event, FrameDone)], "the spine counts these"
    assert all(event.message for event in events if isinstance(event, Notice))
    begun = [event.stage for event in events if isinstance(event, StageStarted)]
    assert begun == [event.stage for event in events if isinstance(event, StageFinished)]
    steps = [event for event in events if isinstance(event, StepDone)]
    if harness.samples:
        assert steps
        assert {event.chunk for event in steps} == {0}
        assert [event.step for event in steps] == list(range(1, steps[0].steps + 1))
    else:
        assert begun
        assert not steps


def test_picture_follows_its_own_sound(harness: Harness, engine: Engine, tmp_path: Path) -> None:
    """Clicks in two chunks, off the frame borders, far from each other: the pictures change most
    at the frame that contains the click."""
    if not harness.hears:
        pytest.skip("the pictures of this engine cannot be read back")
    geometry = engine.geometry(harness.request(tmp_path))
    fps = geometry.fps
    second_chunk = geometry.chunk_frames - geometry.dropped_frames
    struck = [8, second_chunk + 6]
    times = [float((frame + Fraction(1, 3)) / fps) for frame in struck]
    count = second_chunk + 14
    sound = clicks(float(count / fps) + 1, times, rate=16000)
    audio = write_audio(tmp_path / "clicks.wav", sound, rate=16000)
    pictures = render_all(engine, plan_for(harness, engine, audio, num_frames=count))
    change = [
        float(np.abs(after.astype(int) - before.astype(int)).mean())
        for before, after in pairwise(pictures)
    ]
    for click in struck:
        near = range(click - 4, click + 5)
        assert max(near, key=lambda frame: change[frame - 1]) == click


def cut_into_three(plan: Plan) -> tuple[ShotRequest, ...]:
    third = Fraction(plan.num_frames // 3) / plan.fps
    return tuple(
        ShotRequest(start=third * number, seed=20 + number, prompt=prompt)
        for number, prompt in enumerate(("calm sea", "fire and rings", "calm sea"))
    )


def test_each_of_three_shots_is_what_it_is_alone(
    harness: Harness, engine: Engine, tone: Path
) -> None:
    """Its pictures depend on nothing that a shot before it made: rendered after the others, and
    in a session of its own, they are the same."""
    shots = cut_into_three(plan_for(harness, engine, tone, num_frames=15))
    plan = plan_for(harness, engine, tone, num_frames=15, shots=shots)
    together = render_all(engine, plan)
    assert len(together) == 15
    if not harness.deterministic:
        return
    for shot in plan.shots:
        chunks = [chunk for chunk in plan.chunks if chunk.shot == shot.index]
        with engine.find(plan.request).open(plan, RunControl()) as session:
            alone = [frame.rgb for chunk in chunks for frame in render(session, chunk)]
        span = together[shot.start_frame : shot.end_frame]
        assert fingerprint(alone[: shot.num_frames]) == fingerprint(span)


def test_a_shot_has_its_own_seed_and_prompt(harness: Harness, engine: Engine, tone: Path) -> None:
    shots = cut_into_three(plan_for(harness, engine, tone, num_frames=15))
    before = render_all(engine, plan_for(harness, engine, tone, num_frames=15, shots=shots))
    for change in ({"seed": 99}, {"prompt": "ice and waves"}):
        other = (shots[0], replace(shots[1], **change), shots[2])
        after = render_all(engine, plan_for(harness, engine, tone, num_frames=15, shots=other))
        assert fingerprint(after[5:10]) != fingerprint(before[5:10])
        if harness.deterministic:
            assert fingerprint(after[:5] + after[10:]) == fingerprint(before[:5] + before[10:])


def test_shots_that_cross_fade_are_mixed_by_their_time(
    harness: Harness,
    engine: Engine,
    tone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is drawn from before its cut to after the next one, and every picture of the file is
    one shot's or two mixed."""
    shots = cut_into_three(plan_for(harness, engine, tone, num_frames=30))
    seconds = float(4 / engine.geometry(harness.request(tone)).fps)
    request = harness.request(
        tone, num_frames=30, shots=shots, transition=f"crossfade:{seconds}",
        output=tmp_path / "a.mp4",
    )  # fmt: skip
    written = spy_on_encoder(monkeypatch)
    plan = generate(request, harness.settings).plan
    assert [shot.fade_in for shot in plan.shots] == [0, 4, 4]
    assert len(written) == 30
    with engine.find(plan.request).open(plan.for_engine, RunControl()) as session:
        drawn = pictures_by_shot(plan, session)
    assert [(min(shot), max(shot)) for shot in drawn] == [(0, 11), (8, 21), (18, 29)]
    if harness.deterministic:
        assert fingerprint(written) == fingerprint(list(mixed(plan, drawn)))
    else:
        assert fingerprint([written[9]]) != fingerprint([drawn[0][9]])


def test_a_chunk_is_made_again_from_the_state_before_it(
    harness: Harness, engine: Engine, tone: Path, tmp_path: Path
) -> None:
    """The kept job of a finished video has it; only what follows is made."""
    count = frames_over_chunks(engine, harness, tone, 2)
    request = harness.request(tone, num_frames=count, output=tmp_path / "a.mp4")
    video = generate(request, harness.settings, keep_job=True)
    border = video.plan.chunks[1].start_frame
    events: list[Event] = []
    control = RunControl(events.append)
    made = remake(video.path, None, {"seed": 99}, harness.settings, chunk=2, control=control)
    drawn = [event.done - 1 for event in events if isinstance(event, FrameDone)]
    assert drawn == list(range(border, count))
    assert {event.chunk for event in events if isinstance(event, StepDone)} <= {1}
    before, after = frames_of(video.path), frames_of(made.path)
    assert fingerprint(after[:border]) == fingerprint(before[:border])
    assert fingerprint(after[border:]) != fingerprint(before[border:])
    if harness.deterministic:
        whole = replace(made.plan.request, output=tmp_path / "whole.mp4")
        assert fingerprint(frames_of(generate(whole, harness.settings).path)) == fingerprint(after)


def test_a_prompt_in_time_changes_the_pictures_from_its_chunk_on(
    harness: Harness, engine: Engine, tone: Path
) -> None:
    count = int(4 * engine.geometry(harness.request(tone)).fps)
    plain = plan_for(harness, engine, tone, num_frames=count, prompt="[0-2] ice [2-] ice")
    timed = plan_for(harness, engine, tone, num_frames=count, prompt="[0-2] ice [2-] fire")
    changed = next(chunk for chunk in timed.chunks if chunk.prompt == "fire")
    made = render_until(engine, timed, changed)
    assert {chunk.prompt for chunk in plain.chunks} == {"ice"}
    same = replace(timed, chunks=tuple(replace(chunk, prompt="ice") for chunk in timed.chunks))
    iced = render_until(engine, same, changed)
    change = changed.start_frame
    assert fingerprint(made[change:]) != fingerprint(iced[change:])
    if harness.deterministic:
        assert fingerprint(made[:change]) == fingerprint(iced[:change])


def test_another_sound_drives_the_pictures(
    harness: Harness, engine: Engine, tone: Path, tmp_path: Path
) -> None:
    """What is seen follows the driving sound alone, whatever is heard."""
    struck = write_audio(tmp_path / "clicks.wav", clicks(5, [0.3, 0.9], rate=16000), rate=16000)
    driven = plan_for(harness, engine, tone, num_frames=12, drive=struck)
    assert driven.audio.path == tone
    pictures = render_all(engine, driven.for_engine)
    assert len(pictures) == 12
    if harness.deterministic:
        alone = render_all(engine, plan_for(harness, engine, struck, num_frames=12))
        assert fingerprint(pictures) == fingerprint(alone)
    if harness.hears:
        toned = render_all(engine, plan_for(harness, engine, tone, num_frames=12))
        assert fingerprint(pictures) != fingerprint(toned)


def test_faces_in_one_picture_are_each_driven_or_refused_in_words(
    harness: Harness, engine: Engine, tone: Path, tmp_path: Path
) -> None:
    """An engine that says `shows_faces` hands each face the sound of its speaker; of any other the
    error says what to do instead."""
    image = tmp_path / "both.png"
    Image.new("RGB", (64, 64), (90, 60, 40)).save(image)
    struck = write_audio(tmp_path / "clicks.wav", clicks(5, [0.3, 0.9], rate=16000), rate=16000)
    faces = [{"name": "anna", "region": "left"}, {"name": "ben", "region": "right"}]
    shots = [{"start": 0, "faces": faces}]
    changes: dict[str, object] = {"image": image, "shots": shots, "num_frames": 9}

    def made(ben: Path) -> list[str]:
        changes["drive"] = {"anna": tone, "ben": ben}
        plan = plan_for(harness, engine, tone, **changes)
        assert set(plan.voices) == {"anna", "ben"}
        return fingerprint(render_all(engine, plan.for_engine))

    if getattr(engine, "shows_faces", False):
        assert made(struck) != made(tone)
        return
    with pytest.raises(InputError, match="one face at a time") as caught:
        made(struck)
    assert "anna=FILE" in caught.value.hint


def test_identity_names_no_place_and_no_time(harness: Harness, engine: Engine, tone: Path) -> None:
    identity = engine.find(harness.request(tone)).identity
    text = json.dumps(dict(identity))  # JSON values, at any depth
    assert "://" not in text
    assert '"/' not in text
    assert identity == engine.find(harness.request(tone)).identity


def test_diagnosis_says_what_is_there(engine: Engine) -> None:
    checks = engine.diagnose()
    assert checks
    assert all(check.ok or check.hint for check in checks)
