"""Who speaks: each in a round picture with their name, those who are silent in less light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import (
    OPAQUE,
    Layer,
    clear,
    colour,
    dimmed,
    disc,
    glowing,
    line,
    over_layer,
    stencil,
    through,
)
from soundreel.engines.preview.canvas.ops import resize_rgb
from soundreel.engines.preview.looks.things.lettering import name_layer
from soundreel.engines.preview.looks.things.places import Place
from soundreel.engines.preview.portrait.face import search_faces
from soundreel.engines.preview.staging.stage import Stage
from soundreel.media.image import load_image
from soundreel.types import Rgb

MOST = 4
NAME, AIR = 0.36, 0.24
"""Heights of the name and of what lies around the ring, in radii."""

HEAD = 5.4
"""Side of what is shown of a portrait, in heights from eyes to mouth."""

SILENT = 0.42
"""Light of those who do not speak."""


@dataclass(frozen=True, slots=True)
class Person:
    """speaks: in this shot."""

    name: str
    portrait: Rgb
    speaks: bool


def people_of(stage: Stage) -> tuple[Person, ...]:
    """Those whom the list of shots names with a picture, in the order in which they first speak."""
    found = dict[str, Person]()
    for shot in stage.plan.request.shot_list:
        if shot.speaker and shot.image and shot.speaker not in found:
            here = shot.image == stage.shot.image
            found[shot.speaker] = Person(shot.speaker, load_image(shot.image), here)
    return tuple(found.values())[:MOST]


class People:
    def __init__(self, stage: Stage, place: Place, people: tuple[Person, ...]) -> None:
        self._stage, self._people = stage, people
        self._spots = _spots(place, len(people))
        spot = self._spots[0]
        self._radius = min(0.40 * spot.width, spot.height / (2 + NAME + 2 * AIR))
        self._faces = [
            _round(_framed(person.portrait), round(2 * self._radius)) for person in people
        ]
        names = [person.name for person in people]
        self._names = name_layer(
            stage, list(zip(names, map(self._below, self._spots), strict=True))
        )

    def draw(self, i: int) -> Layer:
        layout, drive = self._stage.layout, self._stage.drive
        glow = min(float(drive.glow[i]), 1.0)
        layer = clear(layout.size)
        for person, spot in zip(self._people, self._spots, strict=True):
            if person.speaks:
                width = (0.008 + 0.022 * glow) * layout.unit
                reach = self._radius + 0.012 * layout.unit + width / 2
                line(layer, _circle(self._centre(spot), reach), self._ink(glow), width, closed=True)
        layer = glowing(layer, 0.5 + 0.9 * glow, 0.03 * layout.unit)
        for person, spot, face in zip(self._people, self._spots, self._faces, strict=True):
            light = 0.86 + 0.14 * glow if person.speaks else SILENT
            layer = over_layer(layer, self._placed(_lit(face, light), spot))
        return layer if self._names is None else over_layer(layer, self._names)

    def _centre(self, spot: Place) -> tuple[float, float]:
        """Face and name stand in the middle of their spot."""
        whole = (2 + NAME + AIR) * self._radius
        return spot.left + spot.width / 2, spot.top + (spot.height - whole) / 2 + self._radius

    def _below(self, spot: Place) -> Place:
        """For the name."""
        top = self._centre(spot)[1] + (1 + AIR) * self._radius
        return Place(spot.left, top, spot.width, NAME * self._radius)

    def _ink(self, glow: float) -> tuple[int, int, int, int]:
        return self._stage.inks.at(0.2, 1.0 + 0.9 * glow)

    def _placed(self, face: Layer, spot: Place) -> Layer:
        x, y = (at - len(face) / 2 for at in self._centre(spot))
        matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
        return np.asarray(cv2.warpAffine(face, matrix, self._stage.layout.size), np.uint8)


def _spots(place: Place, count: int) -> list[Place]:
    """Side by side; of a tall place one below the other."""
    tall = place.height > 1.25 * place.width
    if not tall:  # nearer to each other than a wide frame lets them
        width = min(place.width, 1.05 * count * place.height)
        place = place._replace(left=place.left + (place.width - width) / 2, width=width)
    width, height = place.width / (1 if tall else count), place.height / (count if tall else 1)
    across, down = (0.0, height) if tall else (width, 0.0)
    return [
        Place(place.left + k * across, place.top + k * down, width, height) for k in range(count)
    ]


def _framed(portrait: Rgb) -> Rgb:
    """A square of it with the largest face; where none is found, of its upper middle."""
    rows, columns = portrait.shape[:2]
    side, across, down = min(rows, columns), columns / 2, 0.42 * rows
    if faces := search_faces(portrait).faces:
        side = min(side, round(HEAD * faces[0].height))
        across, down = faces[0].at(0, -0.45 * faces[0].height)
    x, y = (
        min(max(round(at - side / 2), 0), most - side)
        for at, most in ((across, columns), (down, rows))
    )
    return np.ascontiguousarray(portrait[y : y + side, x : x + side])


def _round(square: Rgb, side: int) -> Layer:
    side = max(8, side)
    face, mask = clear((side, side)), stencil((side, side))
    disc(mask, ((side - 1) / 2, (side - 1) / 2), side / 2 - 1, OPAQUE)
    face[..., :3], face[..., 3] = resize_rgb(square, (side, side)), 255
    face = through(mask, face)
    edge = _circle(((side - 1) / 2, (side - 1) / 2), side / 2 - 2)
    line(face, edge, colour((235, 238, 244)), max(1.0, side / 110), closed=True)
    return face


def _lit(face: Layer, light: float) -> Layer:
    """Darker, as opaque as before."""
    lit = dimmed(face, light)
    lit[..., 3] = face[..., 3]
    return lit


def _circle(centre: tuple[float, float], radius: float) -> NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 181)[:-1]
    return np.stack([centre[0] + radius * np.cos(turn), centre[1] + radius * np.sin(turn)], axis=1)
