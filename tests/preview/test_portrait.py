"""The portrait that speaks: what moves, what rests, and that it is the same every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media_factory import click_track, features_of, silence, write_audio
from soundreel.audio.features import analyse
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.engines.preview.draw.pictures import ImageSource, make_source
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.portrait.eyes import blinks
from soundreel.engines.preview.portrait.face import Face, Search, find_faces, search_faces
from soundreel.engines.preview.portrait.lips import read_lips
from soundreel.engines.preview.portrait.mouth import Mouth
from soundreel.engines.preview.portrait.phonemes import (
    SHUT,
    MouthShape,
    Recogniser,
    Speech,
)
from soundreel.engines.preview.portrait.speaking import Portrait, make_portrait
from soundreel.events import Event, Notice, RunControl
from soundreel.media.image import load_image
from soundreel.timeline.plan import fit_sound, make_plan
from soundreel.types import Plan, Request, Rgb

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEECH = EXAMPLES / "speech.wav"
SIZE = (208, 304)


def plan_of(audio: Path, image: Path = EXAMPLES / "portrait.png", **changes: object) -> Plan:
    values: dict[str, object] = {"seed": 7, "engine": "preview", "width": SIZE[0]}
    values |= {"height": SIZE[1], "prompt": ""}
    request = Request(audio=audio, image=image, **{**values, **changes})  # type: ignore[arg-type]
    geometry = PreviewEngine(Settings()).geometry(request)
    info = probe(audio)
    clip, count, _ = fit_sound(request, info.clip, geometry.fps)
    return make_plan(request, geometry, clip, count)


def portrait_of(plan: Plan, mouth: str = "auto") -> tuple[Portrait | None, ImageSource, str]:
    assert plan.request.image is not None
    image = load_image(plan.request.image)
    search = search_faces(image)
    boxes = [face.box for face in search.faces]
    source = make_source(image, plan.request.width, plan.request.height, "blur", boxes)
    rms = analyse(plan.audio, plan.fps, plan.num_frames).rms
    portrait, said = make_portrait(
        plan,
        plan.request.seed,
        mouth,
        image,
        source,
        rms,
        search,
        lambda: Speech(plan.num_frames, plan.fps, rms, Recogniser(plan.audio).listen),
    )
    return portrait, source, said


def speaking(**changes: Any) -> tuple[Portrait, Rgb, Plan]:
    plan = plan_of(SPEECH, **changes)
    portrait, source, said = portrait_of(plan)
    assert portrait is not None, said
    return portrait, source.canvas, plan


def frames(plan: Plan, first_chunk: int = 0) -> tuple[list[Rgb], list[str]]:
    events: list[Event] = []
    control = RunControl(events.append)
    with PreviewEngine(Settings()).find(plan.request).open(plan, control) as session:
        session.restore(b"")
        pictures = [
            frame.rgb
            for chunk in plan.chunks[first_chunk:]
            for frame in session.render(chunk, control)
        ]
    return pictures, [event.message for event in events if isinstance(event, Notice)]


def changed(before: Rgb, after: Rgb) -> NDArray[np.float64]:
    return np.asarray(np.abs(before.astype(float) - after).max(axis=2))


def test_only_mouth_and_eyes_of_the_picture_change() -> None:
    portrait, canvas, plan = speaking()
    moved = np.zeros(canvas.shape[:2])
    for i in range(plan.num_frames):
        moved = np.maximum(moved, changed(canvas, portrait.apply(canvas, i)))
    ys, xs = np.nonzero(moved)
    face = find_faces(load_image(EXAMPLES / "portrait.png"))[0].placed(
        make_source(load_image(EXAMPLES / "portrait.png"), *SIZE, "blur").image_box, 512
    )
    assert moved.max() > 60
    assert xs.min() > face.mouth[0] - 1.4 * face.width
    assert xs.max() < face.mouth[0] + 1.4 * face.width
    assert ys.min() > face.mouth[1] - 1.6 * face.height
    assert ys.max() < face.mouth[1] + 1.7 * face.width


def test_finished_mouth_moves_with_the_speech_without_lag() -> None:
    portrait, canvas, plan = speaking()
    rms = features_of(SPEECH, Fraction(0), plan.fps, plan.num_frames).rms
    low = slice(canvas.shape[0] * 3 // 10, None)  # below the eyes
    closed = composed_mouth(canvas)
    motion = np.array(
        [
            changed(closed[low], portrait.apply(canvas, i)[low]).mean()
            for i in range(16, plan.num_frames)
        ]
    )
    rms = rms[16:]
    n = len(motion)
    agreement = {
        lag: np.corrcoef(
            motion[max(0, lag) : n + min(0, lag)], rms[max(0, -lag) : n - max(0, lag)]
        )[0, 1]
        for lag in range(-4, 5)
    }
    assert max(agreement, key=lambda lag: agreement[lag]) == 0


def composed_mouth(canvas: Rgb) -> Rgb:
    """The portrait, its smile put away."""
    image = load_image(EXAMPLES / "portrait.png")
    box = make_source(image, *SIZE, "blur").image_box
    face = find_faces(image)[0].placed(box, image.shape[1])
    return Mouth(canvas, face, read_lips(canvas, face)).draw(canvas, MouthShape(composed=1.0))


def test_a_smile_is_closed_before_it_speaks() -> None:
    image = load_image(EXAMPLES / "portrait.png")
    face = find_faces(image)[0]
    mouth = Mouth(image, face, read_lips(image, face))
    x, y = (round(value) for value in face.mouth)
    teeth = (slice(y - 2, y + 8), slice(x - 8, x + 8))

    def shown(shape: MouthShape) -> float:
        """Share of pixels as pale as teeth."""
        return float((mouth.draw(image, shape)[teeth].min(axis=2) > 175).mean())

    assert shown(SHUT) > 0.4
    assert shown(MouthShape(composed=1.0)) < 0.15
    assert shown(MouthShape(0.7, composed=1.0)) > 0.2


def test_closed_lips_need_no_composing() -> None:
    image = np.full((300, 300, 3), (214, 172, 150), np.uint8)
    face = Face((150, 146), 100, 0.0, 110)
    mouth = Mouth(image, face, read_lips(image, face))
    assert mouth.draw(image, MouthShape(composed=1.0)) is image


def test_at_rest_the_picture_is_the_original(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "silence.wav", silence(4, rate=16000), rate=16000)
    plan = plan_of(path)
    portrait, source, _ = portrait_of(plan)
    assert portrait is not None
    lids = blinks(plan.num_frames, plan.fps, 7)
    assert lids.max() == 1
    for i in range(plan.num_frames):
        same = portrait.apply(source.canvas, i) is source.canvas
        assert same == (lids[i] <= 0.02)


def test_sway_moves_the_head_and_leaves_the_far_picture_where_it_is() -> None:
    portrait, canvas, plan = speaking()
    rows, columns = canvas.shape[:2]
    where = np.dstack(np.meshgrid(np.arange(columns), np.arange(rows))).astype(np.float32)
    way = np.zeros((rows, columns))
    slope = 0.0
    for i in range(0, plan.num_frames, 8):
        bent = portrait.bend(where, i)
        way = np.maximum(way, np.hypot(*np.moveaxis(bent - where, 2, 0)))
        slope = max(slope, *(float(np.abs(np.diff(bent - where, axis=k)).max()) for k in (0, 1)))
    assert way.max() > 0.8
    assert way.max() < 0.03 * columns
    assert not way[rows * 2 // 3 :].any()
    assert not way[:, columns * 9 // 10 :].any()
    assert slope < 0.25  # smooth: nothing folds or tears


def test_opening_grows_and_closed_lips_cover_the_teeth() -> None:
    image = load_image(EXAMPLES / "portrait.png")
    face = find_faces(image)[0]
    mouth = Mouth(image, face, read_lips(image, face))
    x, y = (round(value) for value in face.mouth)
    inside = (slice(y, y + 16), slice(x - 8, x + 8))
    assert mouth.draw(image, SHUT) is image
    dark = [
        (mouth.draw(image, MouthShape(opening))[inside].max(axis=2) < 90).sum()
        for opening in (0.0, 0.3, 0.6, 1.0)
    ]
    assert dark == sorted(set(dark))
    teeth = (slice(y + 1, y + 6), slice(x - 6, x + 6))
    assert image[teeth].min(axis=2).mean() > 180
    assert mouth.draw(image, MouthShape(press=1.0))[teeth].min(axis=2).mean() < 165


def test_frames_are_the_same_in_one_run_and_resumed_in_another() -> None:
    plan = plan_of(SPEECH, fps=Fraction(8), width=160, height=192, num_frames=100)
    assert len(plan.chunks) == 2
    whole, notices = frames(plan)
    rest, _ = frames(plan, first_chunk=1)
    assert any("a face" in line for line in notices)
    assert all(np.array_equal(a, b) for a, b in zip(whole[-len(rest) :], rest, strict=True))


def test_frames_are_the_same_on_any_thread() -> None:
    portrait, canvas, plan = speaking()
    alone = [portrait.apply(canvas, i) for i in range(plan.num_frames)]
    other, _, _ = speaking()
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda i: other.apply(canvas, i), reversed(range(plan.num_frames)))
        )
    assert all(np.array_equal(a, b) for a, b in zip(alone, together[::-1], strict=True))


def test_without_a_face_nothing_moves_and_one_line_says_so(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 200, dtype=np.uint8)[:, None, None], (1, 160, 3))
    path = tmp_path / "ramp.png"
    Image.fromarray(ramp).save(path)
    plan = plan_of(SPEECH, path, width=96, height=128, duration=Fraction(1, 2))
    portrait, _, said = portrait_of(plan)
    assert portrait is None
    assert said.startswith("no face found")
    _, notices = frames(plan)
    assert said in notices


def test_a_face_from_the_side_is_left_alone_but_not_if_the_user_marks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eyes half as far from each other as from the mouth: as in a photograph of a profile."""
    side = Face((224, 143), 20, 0.0, 40, ((205, 103), (225, 103)))
    monkeypatch.setattr(f"{__name__}.search_faces", lambda image: Search((side,)))
    plan = plan_of(SPEECH, duration=Fraction(2))
    portrait, _, said = portrait_of(plan)
    assert portrait is None
    assert said.startswith("no mouth: the face is seen from the side")
    assert portrait_of(plan, "200,135,50,20")[0] is not None


def test_nothing_is_announced_where_nobody_speaks(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "clicks.wav", click_track(4, 120, rate=16000), rate=16000)
    portrait, _, said = portrait_of(plan_of(path))
    assert portrait is not None
    assert said == ""


def test_no_face_is_missed_in_a_picture_to_music(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 200, dtype=np.uint8)[:, None, None], (1, 160, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    path = write_audio(tmp_path / "clicks.wav", click_track(4, 120, rate=16000), rate=16000)
    _, notices = frames(plan_of(path, tmp_path / "ramp.png", width=64, height=64))
    assert notices == []


def test_off_says_nothing_and_moves_nothing() -> None:
    portrait, _, said = portrait_of(plan_of(SPEECH), "off")
    assert portrait is None
    assert said == ""


def test_a_small_face_is_left_alone_but_not_if_the_user_marks_it() -> None:
    plan = plan_of(SPEECH, width=64, height=64, duration=Fraction(1))
    assert portrait_of(plan)[2] == "no mouth: the face is too small in the picture"
    assert portrait_of(plan, "200,135,50,20")[0] is not None


def test_a_missing_recogniser_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object) -> None:
        raise RuntimeError("libhama not available")

    monkeypatch.setattr("soundreel.engines.preview.scenes.Recogniser", missing)
    _, notices = frames(plan_of(SPEECH, duration=Fraction(1, 2)))
    assert [line for line in notices if "libhama" in line] == notices


def test_people_blink_every_two_to_six_seconds() -> None:
    curve = blinks(16 * 120, Fraction(16), 1)
    middles = np.flatnonzero(curve == 1)
    gaps = np.diff(middles) / 16
    assert gaps.min() > 1.9
    assert gaps.max() < 6.1
    assert (curve > 0.5).sum() <= 2 * len(middles)  # about an eighth of a second each
    assert not np.array_equal(curve, blinks(16 * 120, Fraction(16), 2))
