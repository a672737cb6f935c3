"""Where the camera looks and how the scene is lit, frame by frame: every view has its framing and
its lamp, and moves in it as far as the sound is loud.

A new section is met with a quick move that begins on its first frame; views inside a section are
glided to. All of it is a path whose steps grow with the sound, so nothing is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.draw.pictures import ImageSource
from soundreel.engines.preview.drive.curves import smoothstep
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.drive.views import View, find_views
from soundreel.engines.preview.look.composition import Composition

Motion = Literal["off", "gentle", "full"]

AMOUNT: dict[Motion, float] = {"off": 0.0, "gentle": 0.35, "full": 1.0}

WIDE, CALM, FULL = 1.02, (1.10, 1.27, 1.18), (1.50, 1.16, 1.34)
"""Enlargements: of the first view, then in turn in calm and in full sections."""

CLOSER, MOST_CLOSER = 0.6, 1.2
"""Where the image leaves much of the frame free, the camera goes nearer: by this share for each
frame side that is free, up to so many sides."""

PUSH = 0.08
"""The camera comes nearer, or goes back, by this share over a view."""

SETTLE_S = 0.09
"""The quick move: what is left of the way falls by e in this time."""

GLIDE = 0.9
"""Distance of `Drive.travel` that a glide takes: about a second of loud sound."""

ASIDE = 0.13
"""The most that a view is aimed beside what there is to see, as a share of the frame."""

ROOM = 1.35
"""A face stays in the frame with this much room, in its own size."""


@dataclass(frozen=True, slots=True)
class Pose:
    """centre: the canvas position in the middle of the frame. zoom: 1 shows the frame's own size.
    roll: radians. aside: how far what is near stands beside, in frame sides. lamp: direction from
    which light comes, length 0 to 1. hue: turn of the light's colour, in cycles."""

    centre: tuple[float, float]
    zoom: float
    roll: float
    aside: tuple[float, float]
    lamp: tuple[float, float]
    hue: float


class Camera:
    """Poses of all frames, (N, 9) float32 in the order of Pose."""

    def __init__(
        self,
        frame: tuple[int, int],
        source: ImageSource,
        drive: Drive,
        look: Composition,
        motion: Motion,
        start: int = 0,
    ) -> None:
        """start: frame from which on it looks, at the whole image first."""
        self._frame, self._source, self._amount = frame, source, AMOUNT[motion]
        spare = (
            max(side / shown for side, shown in zip(frame, source.image_box[2:], strict=True)) - 1
        )
        self._nearer = 1 + CLOSER * min(max(spare, 0.0), MOST_CLOSER)
        self._random = np.random.default_rng([look.seed, 11])
        views = find_views(drive, start)
        goals = [self._goal(k, view) for k, view in enumerate(views)]
        self._poses = _joined(views, goals, drive, quick=motion == "full")

    def at(self, i: int) -> Pose:
        x, y, zoom, roll, aside_x, aside_y, lamp_x, lamp_y, hue = self._poses[i].tolist()
        return Pose((x, y), zoom, roll, (aside_x, aside_y), (lamp_x, lamp_y), hue)

    def _goal(self, k: int, view: View) -> NDArray[np.float64]:
        """(2, 9): the pose with which the view begins and the one with which it ends."""
        random, amount = self._random, self._amount
        zooms = FULL if view.openness >= 0.5 else CALM
        zoom = WIDE if k == 0 else zooms[k % len(zooms)]
        nearer = self._nearer if k else 1.0
        push = PUSH * (1 if zoom < 1.2 else -1)
        side = (-1) ** k
        aim = np.array([side * random.uniform(0.55, 1.0), random.uniform(-0.8, 0.8)])
        aim *= 1.0 if k else 0.15  # the first view shows the whole image
        drift = random.uniform(0.25, 0.45) * -np.sign(aim)
        turn = random.uniform(-0.9, 0.9)
        roll = np.radians(side * random.uniform(0.3, 1.1)) if k else 0.0
        aside = np.array([-side * random.uniform(0.4, 1.0), random.uniform(-0.4, 0.4)])
        rows = []
        for ahead in (-0.5, 0.5):
            near = 1 + (zoom * (1 + ahead * push) - 1) * amount * nearer
            rows.append([
                *self._centre(max(near, 1.0), (aim + 2 * ahead * drift) * min(amount * 2, 1)),
                max(near, 1.0),
                roll * amount * (1 + ahead),
                *(aside * ahead * 0.038 * amount),
                side * np.cos(turn), -abs(np.sin(turn)) * 0.8,
                0.21 * k + 0.1 * ahead,
            ])  # fmt: skip
        return np.array(rows)

    def _centre(self, zoom: float, aim: NDArray[np.float64]) -> NDArray[np.float64]:
        """Aimed aside as far as the canvas reaches, drawn to what there is to see; a face is never
        left."""
        size, margin = np.array(self._frame, float), self._source.margin
        middle = size / 2 + margin
        free = (size + margin - size / zoom) / 2
        point = np.array(self._source.anchor)
        centre = middle + np.clip(point - middle, -free, free) * min(1.0, (zoom - 1) * 3)
        centre += aim * np.minimum(free * 0.6, ASIDE * size)
        for box in self._source.faces:
            first = np.array(box[:2]) - (ROOM - 1) / 2 * np.array(box[2:])
            last = first + ROOM * np.array(box[2:])
            half = size / zoom / 2
            low, high = np.minimum(last - half, first + half), np.maximum(last - half, first + half)
            centre = np.clip(centre, low, high)
            break
        return np.asarray(np.clip(centre, middle - free, middle + free))


def _joined(
    views: Sequence[View], goals: Sequence[NDArray[np.float64]], drive: Drive, *, quick: bool
) -> NDArray[np.float32]:
    """(N, 9): each view's own way, and the way to it from where the one before ended."""
    poses = np.zeros((drive.num_frames, 9), dtype=np.float32)
    last: NDArray[np.float64] | None = None
    for view, goal in zip(views, goals, strict=True):
        gone = drive.travel[view.start : view.end] - drive.travel[view.start]
        share = gone / max(float(gone[-1]), 1e-6)
        way = goal[0] + (goal[1] - goal[0]) * share[:, None]
        if last is not None:
            if quick and view.opens:
                frames = np.arange(1, len(gone) + 1)
                left = np.exp(-frames / (drive.fps * SETTLE_S))
            else:
                left = 1 - np.asarray(smoothstep(gone / GLIDE), dtype=np.float64)
            way += (last - goal[0]) * left[:, None]
        poses[view.start : view.end] = way
        last = way[-1]
    return poses
