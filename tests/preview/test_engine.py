"""The preview engine as the flow meets it: rates, sizes, equal bytes, sync, notices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media_factory import click_track, clicks, features_of, silence, speech_like, write_audio
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.errors import Cancelled, InputError
from soundreel.events import Event, Notice, RunControl
from soundreel.timeline.plan import fit_sound, make_plan
from soundreel.types import Plan, Request, Rgb

RATE = 16000


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    return write_audio(path, speech_like(6, rate=RATE), rate=RATE)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soft colours with an edge or two, as a photograph has."""
    random = np.random.default_rng(5)
    blots = cv2.resize(
        random.uniform(40, 230, (6, 5, 3)), (200, 240), interpolation=cv2.INTER_CUBIC
    )
    blots[80:140, 60:120] = (30, 60, 200)
    path = tmp_path_factory.mktemp("image") / "portrait.png"
    Image.fromarray(np.clip(blots, 0, 255).astype(np.uint8)).save(path)
    return path


def plan_of(audio: Path, **changes: object) -> Plan:
    values: dict[str, object] = {"seed": 7, "width": 96, "height": 128, "engine": "preview"}
    request = Request(audio=audio, **{**values, **changes})  # type: ignore[arg-type]
    geometry = PreviewEngine(Settings()).geometry(request)
    info = probe(audio)
    clip, count, _ = fit_sound(request, info.clip, geometry.fps)
    return make_plan(request, geometry, clip, count)


def frames(plan: Plan, first_chunk: int = 0, control: RunControl | None = None) -> Iterator[Rgb]:
    control = control or RunControl()
    with PreviewEngine(Settings()).find(plan.request).open(plan, control) as session:
        session.restore(b"")
        for chunk in plan.chunks[first_chunk:]:
            for frame in session.render(chunk, control):
                yield frame.rgb


def changes(plan: Plan) -> NDArray[np.float64]:
    """Mean absolute difference of each picture to the one before; 0 for the first."""
    pictures = np.stack(list(frames(plan))).astype(np.int16)
    steps = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    return np.concatenate([[0.0], steps])


def digest(pictures: Iterator[Rgb]) -> str:
    state = hashlib.sha256()
    for picture in pictures:
        state.update(picture.tobytes())
    return state.hexdigest()


@pytest.mark.parametrize("size", [(16, 16), (16, 400), (400, 16), (98, 130), (640, 360)])
@pytest.mark.parametrize("with_image", [False, True])
def test_frames_have_the_size_asked_for(
    speech: Path, portrait: Path, size: tuple[int, int], with_image: bool
) -> None:
    image = portrait if with_image else None
    plan = plan_of(speech, width=size[0], height=size[1], num_frames=3, image=image)
    pictures = list(frames(plan))
    assert [picture.shape for picture in pictures] == [(size[1], size[0], 3)] * 3
    assert all(picture.dtype == np.uint8 for picture in pictures)


@pytest.mark.parametrize("with_image", [False, True])
def test_a_seed_gives_the_same_bytes_and_another_does_not(
    speech: Path, portrait: Path, with_image: bool
) -> None:
    image = portrait if with_image else None
    once, again, other = (
        digest(frames(plan_of(speech, num_frames=24, image=image, seed=seed))) for seed in (7, 7, 8)
    )
    assert once == again
    assert once != other


def test_a_resumed_clip_goes_on_with_the_same_bytes(tmp_path: Path) -> None:
    sound = write_audio(tmp_path / "a.wav", speech_like(22, rate=RATE), rate=RATE)
    plan = plan_of(sound, fps=Fraction(8), width=48, height=48)
    assert len(plan.chunks) == 3
    whole = list(frames(plan))
    resumed = list(frames(plan, first_chunk=1))
    assert digest(iter(whole[plan.chunks[1].start_frame :])) == digest(iter(resumed))


def test_the_number_of_opencv_threads_changes_no_byte_and_is_left_as_it_was(speech: Path) -> None:
    plan, before = plan_of(speech, num_frames=4, width=320, height=320), cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        first = digest(frames(plan))
        assert cv2.getNumThreads() == 3
        cv2.setNumThreads(1)
        assert digest(frames(plan)) == first
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(16), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("with_image", [False, True])
def test_the_picture_changes_most_on_the_frame_of_each_click(
    tmp_path: Path, portrait: Path, fps: Fraction, with_image: bool
) -> None:
    times = [0.55, 1.3, 2.05, 2.8]
    sound = write_audio(tmp_path / "a.wav", clicks(4, times, rate=RATE), rate=RATE)
    plan = plan_of(sound, fps=fps, width=64, height=96, image=portrait if with_image else None)
    change = changes(plan)
    for time in times:
        frame = int(Fraction(time).limit_denominator(1000) * fps)
        reach = int(fps * 3 / 10)
        assert int(np.argmax(change[frame - reach : frame + reach + 1])) == reach


@pytest.mark.parametrize("with_image", [False, True])
def test_picture_follows_speech_without_lag(speech: Path, portrait: Path, with_image: bool) -> None:
    plan = plan_of(speech, width=128, height=192, image=portrait if with_image else None)
    level = features_of(speech, Fraction(0), plan.fps, plan.num_frames).rms
    assert best_lag(level, changes(plan)) == 0


def test_picture_follows_music_without_lag(tmp_path: Path) -> None:
    drums = click_track(8, 120, rate=RATE) + 0.4 * speech_like(8, rate=RATE, seed=3)
    sound = write_audio(tmp_path / "a.wav", np.clip(drums, -1, 1), rate=RATE)
    plan = plan_of(sound, width=128, height=192)
    level = features_of(sound, Fraction(0), plan.fps, plan.num_frames).rms
    assert best_lag(level, changes(plan)) == 0


def best_lag(level: NDArray[np.float32], change: NDArray[np.float64]) -> int:
    """Frames by which the picture's change follows the sound's level, where they agree best."""
    inner = slice(8, -24)  # without fade-in and ending
    level, change = level[inner], change[inner]
    scores = {
        lag: np.corrcoef(level[4:-4], np.roll(change, -lag)[4:-4])[0, 1] for lag in range(-4, 5)
    }
    return max(scores, key=lambda lag: float(scores[lag]))


def test_silence_is_calm(tmp_path: Path, speech: Path) -> None:
    sound = write_audio(tmp_path / "a.wav", silence(6, rate=RATE), rate=RATE)
    still, lively = changes(plan_of(sound)), changes(plan_of(speech))
    assert np.median(still) < 0.3
    assert np.median(lively) > 8 * np.median(still)


def test_a_clip_is_never_a_still_picture(tmp_path: Path) -> None:
    sound = write_audio(tmp_path / "a.wav", silence(6, rate=RATE), rate=RATE)
    pictures = list(frames(plan_of(sound)))
    assert np.abs(pictures[20].astype(int) - pictures[70]).mean() > 0.2


def test_pictures_are_not_blown_out(speech: Path) -> None:
    for prompt in ("neon aggressive bright rings", "dreamy bright waves", "fire tunnel"):
        plan = plan_of(speech, num_frames=48, prompt=prompt, width=208, height=304)
        share = np.mean([(picture.min(axis=2) >= 252).mean() for picture in frames(plan)])
        assert share < 0.01


def test_words_that_took_effect_are_printed(speech: Path) -> None:
    said: list[Event] = []
    plan = plan_of(speech, num_frames=1, prompt="warm waves", negative_prompt="rings")
    list(frames(plan, control=RunControl(said.append)))
    notices = [event for event in said if isinstance(event, Notice)]
    assert notices == [Notice("words that took effect: warm, waves; removed: rings")]


def test_prompts_change_the_picture(speech: Path) -> None:
    looks = {
        digest(frames(plan_of(speech, num_frames=2, prompt=prompt)))
        for prompt in ("warm waves", "cool waves", "warm rings", "warm calm waves")
    }
    assert len(looks) == 4


def test_a_cancelled_run_stops_at_the_next_frame(speech: Path) -> None:
    control = RunControl()
    running = frames(plan_of(speech), control=control)
    next(running)
    control.cancel()
    with pytest.raises(Cancelled):
        list(running)


@pytest.mark.parametrize("fps", [Fraction(7), Fraction(61), Fraction(4, 3)])
def test_rates_beyond_the_range_are_refused(fps: Fraction) -> None:
    with pytest.raises(InputError, match="8 to 60"):
        PreviewEngine(Settings()).geometry(Request(audio=Path("a.wav"), fps=fps))


def test_interpolation_starts_from_the_usual_rate() -> None:
    request = Request(audio=Path("a.wav"), fps=Fraction(64), interpolate="flow")
    assert PreviewEngine(Settings()).geometry(request).fps == 16


@pytest.mark.parametrize("options", [{"fit": "stretch"}, {"steps": 20}])
def test_wrong_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        PreviewEngine(Settings()).find(Request(audio=Path("a.wav"), options=options))


def test_speech_has_no_fades_and_any_can_be_switched_off(tmp_path: Path, speech: Path) -> None:
    drums = write_audio(tmp_path / "drums.wav", click_track(4, 120, rate=RATE), rate=RATE)

    def ends(sound: Path, **options: object) -> tuple[float, float]:
        plan = plan_of(sound, width=64, height=64, duration=Fraction(4), options=options)
        seen = [float(picture.mean()) for picture in frames(plan)]
        return seen[0], seen[-1]

    assert ends(speech) == ends(speech, fade=0.0)
    assert ends(speech)[1] > 1.3 * ends(speech, fade=2.0)[1]
    assert ends(drums, fade=0.0)[1] > 1.3 * ends(drums)[1]
    assert ends(drums)[0] > 0.8 * ends(drums, fade=0.0)[0]
