"""The picture with an image lives: views, framings, depth, and the difference that they make."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preview.features import features
from soundreel.engines.preview.draw.camera import Camera, Motion
from soundreel.engines.preview.draw.depth import DEPTH_STEP, guess_depth
from soundreel.engines.preview.draw.imagescene import ImageScene
from soundreel.engines.preview.draw.pictures import ImageSource, make_source
from soundreel.engines.preview.drive.signals import Drive, make_drive
from soundreel.engines.preview.drive.views import find_views
from soundreel.engines.preview.look.composition import compose
from soundreel.engines.preview.look.vocabulary import read_style
from soundreel.engines.preview.portrait.face import find_faces
from soundreel.media.image import load_image
from soundreel.types import Rgb

EXAMPLES = Path(__file__).parents[2] / "examples"
FPS, SIZE = 8.0, (96, 144)


@pytest.fixture(scope="module")
def drive() -> Drive:
    """A beat of two a second for three minutes: verse, chorus, verse, chorus, verse, chorus."""
    seconds = np.arange(round(180 * FPS)) / FPS
    beat = np.where((seconds * 2) % 1 < 0.2, 1.0, 0.35)
    level = np.where((seconds // 30).astype(int) % 2 == 0, 0.2, 0.7)
    return make_drive(features(beat * level, beats=np.arange(0, len(seconds), 4)), FPS)


@pytest.fixture(scope="module")
def source() -> ImageSource:
    image = load_image(EXAMPLES / "portrait.png")
    return make_source(image, *SIZE, "blur", [face.box for face in find_faces(image)])


def poses(drive: Drive, source: ImageSource, motion: Motion, seed: int = 1) -> Camera:
    return Camera(SIZE, source, drive, compose(read_style("", ""), drive, seed), motion)


def test_views_cover_every_frame_and_begin_with_the_sections(drive: Drive) -> None:
    views = find_views(drive)
    assert [frame for view in views for frame in range(view.start, view.end)] == list(
        range(drive.num_frames)
    )
    assert {view.start for view in views if view.opens} == {s.start for s in drive.sections}
    assert len(views) > 2 * len(drive.sections)
    assert min(view.end - view.start for view in views) >= 3 * FPS


def test_a_shot_begins_with_a_view_of_its_own_that_shows_the_whole_image(
    drive: Drive, source: ImageSource
) -> None:
    first = drive.sections[1].start + 50
    views = find_views(drive, first)
    assert views[0].start == first
    assert views[-1].end == drive.num_frames
    look = compose(read_style("", ""), drive, 1)
    assert Camera(SIZE, source, drive, look, "full", first).at(first).zoom < 1.05


def test_views_inside_a_section_begin_on_strong_sounds_where_there_are_some() -> None:
    """A hit two seconds off the even parting, and one that lies a second off."""
    level = np.full(round(24 * FPS), 0.2)
    for second, strength in ((9.0, 0.9), (14.0, 0.7), (17.0, 0.8)):
        level[round(second * FPS)] = strength
    drive = make_drive(features(level), FPS)
    starts = [view.start / FPS for view in find_views(drive)]
    assert starts[0] == 0
    assert set(starts[1:]) <= {9.0, 14.0, 17.0} | {12.0}
    assert len(starts) == 2


def test_distant_pictures_of_a_photograph_differ(drive: Drive, source: ImageSource) -> None:
    """Mean difference in grey levels, each picture's own mean taken off: 14 when the image only
    drifted, about 50 when it lives."""
    look = compose(read_style("", ""), drive, 1)
    scene = ImageScene(*SIZE, source, drive, look)
    greys = [even(scene.frame(i)) for i in range(40, drive.num_frames, 120)]
    apart = np.mean([np.abs(a - b).mean() for a, b in combinations(greys, 2)])
    assert apart > 30


def even(picture: Rgb) -> NDArray[np.float64]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return np.asarray(grey - grey.mean())


def test_a_section_is_met_on_its_own_frame(drive: Drive, source: ImageSource) -> None:
    camera = poses(drive, source, "full")
    centres = np.array([camera.at(i).centre for i in range(drive.num_frames)])
    steps = np.hypot(*np.diff(centres, axis=0).T)
    for section in drive.sections[1:]:
        near = steps[section.start - 12 : section.start + 12]
        assert int(np.argmax(near)) == 11


@pytest.mark.parametrize("seed", range(6))
def test_a_face_stays_in_the_frame_whole(drive: Drive, source: ImageSource, seed: int) -> None:
    camera = poses(drive, source, "full", seed)
    x, y, width, height = source.faces[0]
    for i in range(0, drive.num_frames, 5):
        pose = camera.at(i)
        half = np.array(SIZE) / pose.zoom / 2
        first, last = np.array(pose.centre) - half, np.array(pose.centre) + half
        assert (first <= (x + 1, y + 1)).all()
        assert (last >= (x + width - 1, y + height - 1)).all()


def test_the_first_view_shows_the_whole_image(drive: Drive, source: ImageSource) -> None:
    pose = poses(drive, source, "full").at(0)
    assert pose.zoom < 1.05
    middle = np.array(source.canvas.shape[1::-1]) / 2
    assert np.abs(np.array(pose.centre) - middle).max() < source.margin


def test_gentle_moves_less_and_off_not_at_all(drive: Drive, source: ImageSource) -> None:
    ways = {}
    for motion in ("off", "gentle", "full"):
        camera = poses(drive, source, motion)
        shown = [camera.at(i) for i in range(drive.num_frames)]
        ways[motion] = np.ptp([(*pose.centre, 50 * pose.zoom) for pose in shown], axis=0)
    assert (ways["off"] == 0).all()
    assert (ways["gentle"] < 0.7 * ways["full"]).all()


@pytest.mark.parametrize(("motion", "still"), [("off", True), ("full", False)])
def test_with_motion_off_the_image_stands_still_and_light_answers(
    drive: Drive, motion: Motion, still: bool
) -> None:
    """Where the one edge of the image is, and how bright it is beside it."""
    image = np.full((144, 96, 3), 60, np.uint8)
    image[:, 50:] = 190
    look = compose(read_style("", "rings particles waves"), drive, 1)
    scene = ImageScene(*SIZE, make_source(image, *SIZE, "blur"), drive, look, motion=motion)
    rows = [scene.frame(i)[60:84].mean(axis=(0, 2)) for i in range(40, drive.num_frames, 90)]
    edges = [int(np.argmax(np.abs(np.diff(row)))) for row in rows]
    assert (np.ptp(edges) <= 1) == still
    assert np.ptp([row.mean() for row in rows]) > 5


def test_what_stands_out_and_is_in_focus_is_near() -> None:
    random = np.random.default_rng(1)
    canvas = np.full((480, 320, 3), (90, 110, 130), np.uint8)
    canvas[160:400, 100:220] = random.integers(60, 255, (240, 120, 1)) // 2 + np.uint8(90)
    depth = guess_depth(canvas, (0, 0, 320, 480), ())
    near = depth.near
    assert near[12:24, 8:12].mean() > near[:, :2].mean() + 0.5
    assert near[12:24, 8:12].mean() > near[:3].mean() + 0.5
    assert 100 < depth.anchor[0] < 220


def test_a_face_has_one_depth() -> None:
    """So that nothing that moves by depth can bend it."""
    image = load_image(EXAMPLES / "portrait.png")
    source = make_source(image, 832, 1216, "blur", [face.box for face in find_faces(image)])
    x, y, width, height = (value / DEPTH_STEP for value in source.faces[0])
    rows = slice(round(y + 0.2 * height), round(y + 0.8 * height))
    columns = slice(round(x + 0.2 * width), round(x + 0.8 * width))
    assert source.depth[rows, columns].min() > 0.98
    assert np.ptp(source.depth) > 0.9
