"""What every engine promises that says it makes videos of images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.image_harness import IMAGE_ENGINES, ImageHarness
from soundreel import registry
from soundreel.api import plan_request
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.base import Engine, Session
from soundreel.errors import Cancelled
from soundreel.events import (
    Event,
    FrameDone,
    Notice,
    RunControl,
    StageFinished,
    StageStarted,
    StepDone,
)
from soundreel.types import Chunk, Frame, Plan

BRIGHT, DARK = 180, 60


@pytest.fixture(params=sorted(IMAGE_ENGINES))
def harness(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[ImageHarness]:
    with IMAGE_ENGINES[request.param](settings) as ready:
        yield ready


@pytest.fixture
def engine(harness: ImageHarness) -> Engine:
    return harness.make(harness.settings)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return painted(tmp_path / "bright.png", BRIGHT)


@pytest.fixture
def end(tmp_path: Path) -> Path:
    return painted(tmp_path / "dark.png", DARK)


def painted(path: Path, level: int) -> Path:
    """Flat but for a little grain, so that no two pictures are one."""
    grain = np.random.default_rng(level).integers(-3, 4, (64, 64, 3))
    Image.fromarray((level + grain).astype(np.uint8)).save(path)
    return path


def brightness(picture: np.ndarray) -> float:
    """Of the lower left, where no engine of these tests writes anything."""
    return float(picture[32:, :40].mean())


def plan_for(harness: ImageHarness, engine: Engine, image: Path, **changes: object) -> Plan:
    request = harness.request(image, **changes)
    info = None if request.audio is None else probe(request.audio)
    return plan_request(request, info, engine, RunControl()).for_engine


def render(session: Session, chunk: Chunk, control: RunControl | None = None) -> list[Frame]:
    return list(session.render(chunk, control or RunControl()))


def render_all(engine: Engine, plan: Plan) -> list[np.ndarray]:
    with engine.find(plan.request).open(plan, RunControl()) as session:
        return [frame.rgb for chunk in plan.chunks for frame in render(session, chunk)]


def fingerprint(pictures: list[np.ndarray]) -> list[str]:
    return [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]


def two_passes(engine: Engine, harness: ImageHarness, image: Path) -> int:
    """A number of pictures that takes two passes, and ends with the second."""
    geometry = engine.geometry(harness.request(image))
    return geometry.head_frames + geometry.chunk_frames + 2 * geometry.grid


def test_every_engine_that_says_so_is_here() -> None:
    assert {*registry._BUILT_IN["image"]} == {*IMAGE_ENGINES}


def test_geometry_is_pure_and_sane(harness: ImageHarness, engine: Engine, image: Path) -> None:
    geometry = engine.geometry(harness.request(image))
    assert geometry == engine.geometry(harness.request(image))
    assert geometry.fps > 0
    assert geometry.chunk_frames % geometry.grid == 0
    assert geometry.head_frames in (0, 1)


@pytest.mark.parametrize("count", [1, 5, 6, None])
def test_pictures_have_count_order_shape_and_type(
    harness: ImageHarness, engine: Engine, image: Path, count: int | None
) -> None:
    count = count or two_passes(engine, harness, image)
    plan = plan_for(harness, engine, image, num_frames=count)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        frames = [frame for chunk in plan.chunks for frame in render(session, chunk)]
    assert [frame.index for frame in frames] == list(range(count))
    for frame in frames:
        assert frame.rgb.shape == (harness.size[1], harness.size[0], 3)
        assert frame.rgb.dtype == np.uint8


def test_it_begins_and_ends_with_the_given_pictures(
    harness: ImageHarness, engine: Engine, image: Path, end: Path
) -> None:
    if not harness.begins:
        pytest.skip("the pictures of this engine cannot be read back")
    count = two_passes(engine, harness, image)
    shown = render_all(engine, plan_for(harness, engine, image, num_frames=count))
    assert brightness(shown[0]) == pytest.approx(BRIGHT, abs=10)
    if harness.ends:
        both = plan_for(harness, engine, image, num_frames=count, last_frame=end)
        shown = render_all(engine, both)
        assert brightness(shown[0]) == pytest.approx(BRIGHT, abs=10)
        assert brightness(shown[-1]) == pytest.approx(DARK, abs=10)
        only = plan_for(harness, engine, end, num_frames=9, last_only=True)
        assert brightness(render_all(engine, only)[-1]) == pytest.approx(DARK, abs=10)


def test_a_given_picture_decides_the_others(
    harness: ImageHarness, engine: Engine, image: Path, end: Path
) -> None:
    ways: list[dict[str, object]] = [{}]
    ways += [{"last_frame": end}, {"last_only": True}] if harness.ends else []
    made = [
        fingerprint(render_all(engine, plan_for(harness, engine, each, num_frames=9, **way)))
        for each in (image, end)
        for way in ways
    ]
    assert len({tuple(pictures) for pictures in made}) == len(made)


def test_a_later_pass_goes_on_from_the_last_picture(
    harness: ImageHarness, engine: Engine, image: Path
) -> None:
    """No picture comes twice where the passes meet."""
    plan = plan_for(harness, engine, image, num_frames=two_passes(engine, harness, image))
    pictures = fingerprint(render_all(engine, plan))
    border = plan.chunks[1].start_frame
    assert pictures[border] != pictures[border - 1]


def test_same_seed_same_pictures_other_seed_or_prompt_others(
    harness: ImageHarness, engine: Engine, image: Path
) -> None:
    made = fingerprint(render_all(engine, plan_for(harness, engine, image, num_frames=9)))
    again = fingerprint(render_all(engine, plan_for(harness, engine, image, num_frames=9)))
    if harness.deterministic:
        assert again == made
    for change in ({"seed": 8}, {"prompt": "slow snow falls in the dark"}):
        other = plan_for(harness, engine, image, num_frames=9, **change)
        assert fingerprint(render_all(engine, other)) != made


def test_restored_session_continues_as_if_never_stopped(
    harness: ImageHarness, engine: Engine, image: Path, end: Path
) -> None:
    count = two_passes(engine, harness, image)
    ends = {"last_frame": end} if harness.ends else {}
    plan = plan_for(harness, engine, image, num_frames=count, **ends)
    with engine.find(plan.request).open(plan, RunControl()) as session:
        render(session, plan.chunks[0])
        state = session.snapshot()
        uninterrupted = [frame.rgb for frame in render(session, plan.chunks[1])]
    with harness.make(harness.settings).find(plan.request).open(plan, RunControl()) as session:
        session.restore(state)
        resumed = [frame.rgb for frame in render(session, plan.chunks[1])]
    assert fingerprint(resumed) == fingerprint(uninterrupted)


def test_cancel_stops_within_a_step_or_frame(
    harness: ImageHarness, engine: Engine, image: Path
) -> None:
    plan = plan_for(harness, engine, image, num_frames=9)
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


def test_events_are_told_through_the_control(
    harness: ImageHarness, engine: Engine, image: Path
) -> None:
    """The steps of all its models count as one row."""
    events: list[Event] = []
    plan = plan_for(harness, engine, image, num_frames=5)
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
        assert not steps


def test_a_sound_under_it_changes_no_length(
    harness: ImageHarness, engine: Engine, image: Path, tone: Path
) -> None:
    plan = plan_for(harness, engine, image, num_frames=9, audio=tone)
    assert len(render_all(engine, plan)) == 9


def test_identity_names_no_place_and_no_time(
    harness: ImageHarness, engine: Engine, image: Path
) -> None:
    request = harness.request(image)
    identity = engine.find(request).identity
    text = json.dumps(dict(identity))
    assert "://" not in text
    assert '"/' not in text
    assert identity == engine.find(request).identity


def test_diagnosis_says_what_is_there(engine: Engine) -> None:
    checks = engine.diagnose()
    assert checks
    assert all(check.ok or check.hint for check in checks)
