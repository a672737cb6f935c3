"""The mouth of the largest face, picture by picture: how dark, how open, how much it changes."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.portrait.face import Face, search_faces
from soundreel.types import Rgb

LOOK_S, SELDOM_S = 1.0, 5.0
"""A face is looked for so often, and seldom where the last few looks found none."""

PATIENCE = 5
MOVED = 0.25
"""The mouth's window follows a face that moved by more than this share of the mouth's width; less
is the finder's own trembling."""

ACROSS, DOWN = 24, 18
"""Pixels of the window, which is a mouth and a half wide."""

MOST = 0.8
"""In so many of the pictures a face must stand, or nothing is said of its mouth."""


class MouthWatch:
    """Fed every picture; `taken` gives what was seen since it was last asked."""

    def __init__(self) -> None:
        self._face: Face | None = None
        self._next, self._missed = -math.inf, 0
        self._last: NDArray[np.float32] | None = None
        self._signals: list[NDArray[np.float64]] = []
        self._found = 0

    def look(self, time: float, picture: Rgb) -> None:
        if time >= self._next:
            self._find(picture)
            self._next = time + (SELDOM_S if self._missed >= PATIENCE else LOOK_S)
        if self._face is None:
            self._signals.append(np.zeros(5))
            self._last = None
            return
        self._found += 1
        self._signals.append(self._mouth(picture, self._face))

    def taken(self) -> NDArray[np.float64] | None:
        """(N, 5), or None where there was no face in most of the pictures."""
        signals, found = self._signals, self._found
        self._signals, self._found = [], 0
        return np.array(signals) if signals and found >= MOST * len(signals) else None

    def _find(self, picture: Rgb) -> None:
        faces = search_faces(picture).faces
        if not faces:
            self._missed += 1
            if self._missed >= 2:
                self._face = None
            return
        self._missed, face = 0, faces[0]
        known = self._face
        if known is None or math.dist(face.mouth, known.mouth) > MOVED * known.width:
            self._face = face

    def _mouth(self, picture: Rgb, face: Face) -> NDArray[np.float64]:
        """Mean, spread, darkest tenth, lower half, and change from the picture before."""
        window = _window(picture, face)
        last = window if self._last is None else self._last
        self._last = window
        return np.array(
            [
                window.mean(),
                window.std(),
                np.quantile(window, 0.1),
                window[DOWN // 2 :].mean(),
                math.sqrt(float(np.abs(window - last).mean())),
            ],
            np.float64,
        )


def _window(picture: Rgb, face: Face) -> NDArray[np.float32]:
    """The mouth and what is below it, upright, grey."""
    step = 1.5 * face.width / ACROSS
    cos, sin = math.cos(face.angle) * step, math.sin(face.angle) * step
    x, y = face.at(0, 0.25 * face.width)
    turn = np.array(
        [
            [cos, -sin, x - cos * ACROSS / 2 + sin * DOWN / 2],
            [sin, cos, y - sin * ACROSS / 2 - cos * DOWN / 2],
        ],
        np.float64,
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(
        picture, turn, (ACROSS, DOWN), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), np.float32)
