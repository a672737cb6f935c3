"""What a look is made from, and what it has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.preview.canvas.layer import Layer
from soundreel.engines.preview.drive.signals import Drive
from soundreel.engines.preview.drive.sound import Sound
from soundreel.engines.preview.look.composition import Composition
from soundreel.engines.preview.staging.inks import Inks
from soundreel.engines.preview.staging.layout import Layout
from soundreel.types import Plan, Rgb, Shot

Light = tuple[float, float] | None
"""A place, as shares of width and height."""


@dataclass(frozen=True, slots=True)
class Stage:
    """strength: of the answer to the sound, which `drive` has in it already. words: what the prompt
    asks for. picture: the shot's image, or the sound's cover."""

    layout: Layout
    drive: Drive
    sound: Sound
    strength: float
    inks: Inks
    words: Composition
    picture: Rgb | None
    plan: Plan
    shot: Shot

    def bars(self, i: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Levels and peaks of `count` bars (a divisor of 96), low to high, 0..1."""
        levels, peaks = self.sound.bars(i, count)
        gain = np.float32(self.strength)
        return np.minimum(levels * gain, 1), np.minimum(peaks * gain, 1)


class Look(Protocol):
    """light: where the look's own ground is lit; None: it is pale paper.
    shows_picture: whether it has a place for the picture, which else is its ground."""

    light: ClassVar[Light]
    shows_picture: ClassVar[bool]

    def __init__(self, stage: Stage) -> None: ...

    def draw(self, i: int) -> Layer:
        """Frame i without a ground; may be called from several threads at once."""
        ...
