"""Finding the face, or taking the user's word for where the mouth is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.portrait.face import (
    Face,
    face_in_box,
    find_faces,
    parse_mouth,
    require_box,
)
from soundreel.engines.preview.portrait.lips import read_lips
from soundreel.errors import InputError
from soundreel.media.image import load_image
from soundreel.types import Request, Rgb

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def portrait() -> Rgb:
    return load_image(EXAMPLES / "portrait.png")


def turned(image: Rgb, degrees: float) -> Rgb:
    matrix = cv2.getRotationMatrix2D((226, 130), degrees, 1)
    return np.asarray(cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0])))


def test_face_is_found_where_it_is(portrait: Rgb) -> None:
    (face,) = find_faces(portrait)
    assert math.dist(face.mouth, (224, 143)) < 4
    assert 38 < face.width < 50
    assert abs(face.angle) < math.radians(6)
    assert face.eyes[0][0] < face.mouth[0] < face.eyes[1][0]


def test_a_tilted_face_is_found_with_its_slope(portrait: Rgb) -> None:
    upright = find_faces(portrait)[0].angle
    for degrees in (15, -15):
        slope = find_faces(turned(portrait, degrees))[0].angle - upright
        assert math.degrees(slope) == pytest.approx(-degrees, abs=5)


def test_size_of_the_image_does_not_matter(portrait: Rgb) -> None:
    big = cv2.resize(portrait, (1800, 1800), interpolation=cv2.INTER_CUBIC)
    small, large = find_faces(portrait)[0], find_faces(np.asarray(big))[0]
    assert math.dist((large.mouth[0] / 1800, large.mouth[1] / 1800), (0.441, 0.280)) < 0.01
    assert large.width / 1800 == pytest.approx(small.width / 512, rel=0.1)


def test_of_two_faces_the_larger_comes_first(portrait: Rgb) -> None:
    far = cv2.resize(portrait, (320, 320), interpolation=cv2.INTER_AREA)
    canvas = np.full((512, 832, 3), 128, np.uint8)
    canvas[:320, :320] = far
    canvas[:, 320:] = portrait
    first, second = find_faces(canvas)
    assert first.mouth[0] > 320 > second.mouth[0]


@pytest.mark.parametrize("size", [(8, 8), (24, 24), (30, 900), (300, 300)])
def test_pictures_without_a_face_have_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (*size, 3), dtype=np.uint8)
    assert find_faces(noise) == []


def test_box_takes_slope_and_eyes_from_the_face_about_it(portrait: Rgb) -> None:
    found = find_faces(portrait)
    face = face_in_box((200, 135, 50, 20), found)
    assert (*face.mouth, face.width) == (225, 145, 50)
    assert face.eyes == found[0].eyes
    elsewhere = face_in_box((400, 300, 60, 20), found)
    assert elsewhere.eyes == ()
    assert elsewhere.angle == 0


@pytest.mark.parametrize(
    "text", ["yes", "", "1,2,3", "1,2,3,4,5", "a,b,c,d", "10,10,0,5", "1,2,nan,4"]
)
def test_a_box_that_is_none_is_refused_with_the_rule(text: str) -> None:
    request = Request(audio=EXAMPLES / "speech.wav", options={"mouth": text})
    with pytest.raises(InputError, match="mouth") as caught:
        PreviewEngine(Settings()).find(request)
    assert caught.value.hint
    with pytest.raises(ValueError):
        parse_mouth(text)


def test_a_box_outside_the_image_is_refused_before_work_begins() -> None:
    request = Request(
        audio=EXAMPLES / "speech.wav",
        image=EXAMPLES / "portrait.png",
        options={"mouth": "480,100,60,20"},
    )
    with pytest.raises(InputError, match="512x512") as caught:
        PreviewEngine(Settings()).find(request)
    assert "pixels" in caught.value.hint


def test_a_box_needs_an_image() -> None:
    with pytest.raises(InputError, match="needs a face") as caught:
        require_box("1,2,3,4", None)
    assert "`image=`" in caught.value.hint


def test_teeth_of_a_smile_are_seen_and_the_lip_below_them(portrait: Rgb) -> None:
    """Measured by eye in the picture: teeth end 7 pixels below the line of the corners."""
    face = find_faces(portrait)[0]
    lips = read_lips(portrait, face)
    assert 0.06 < lips.teeth < 0.2
    assert (lips.offset + lips.sag) * face.width == pytest.approx(6.5, abs=1.5)


def test_closed_lips_open_along_their_dark_line() -> None:
    skin = np.full((300, 300, 3), (214, 172, 150), np.uint8)
    cv2.ellipse(skin, (150, 150), (50, 18), 0, 0, 360, (190, 110, 105), -1)
    cv2.ellipse(skin, (150, 140), (50, 14), 0, 20, 160, (110, 50, 50), 3)
    lips = read_lips(skin, Face((150, 146), 100, 0.0, 110))
    assert lips.teeth == 0
    assert lips.offset + lips.sag == pytest.approx(0.08, abs=0.03)  # 154 in the middle


def test_a_grey_portrait_has_a_grey_mouth(portrait: Rgb) -> None:
    grey = cast(Rgb, cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    lips = read_lips(grey, find_faces(portrait)[0])
    assert np.ptp(lips.dark) < 2
    assert np.ptp(lips.tongue) < 2
