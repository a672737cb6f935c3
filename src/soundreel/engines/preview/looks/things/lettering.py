"""What is written on a card, by the plan's fonts: title, artist, and who speaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import cv2
import numpy as np

from soundreel.engines.preview.canvas.layer import Layer, clear, over_layer, through
from soundreel.engines.preview.looks.things.places import Place, Places
from soundreel.engines.preview.staging.stage import Stage
from soundreel.types import Size
from soundreel.types.words import Cue, Words
from soundreel.words.breaking import atoms_of
from soundreel.words.drawing import drawn_line
from soundreel.words.letters.shaping import Shaper
from soundreel.words.letters.text import runs_left
from soundreel.words.places import Box
from soundreel.words.setting import LEAST_SIZE, Setting

SIZE = 0.62
"""Of the letters, in heights of their place."""


def lettered(stage: Stage, places: Places) -> Layer | None:
    """Title and artist; None where neither is known."""
    words = _words(stage)
    if words is None:
        return None
    texts = [(words.title, places.title, 2.6), (words.artist, places.artist, 1.7)]
    return _layer(stage, words, [each for each in texts if each[0]], middle=places.middle)


def name_layer(stage: Stage, names: Sequence[tuple[str, Place]]) -> Layer | None:
    """Each in its place."""
    words = _words(stage)
    if words is None:
        return None
    texts = [(name, place, 2.4) for name, place in names]
    return _layer(stage, words, texts, middle=True)


def _words(stage: Stage) -> Words | None:
    words = stage.plan.words
    return words if words is not None and words.on_card else None


def _layer(
    stage: Stage, words: Words, texts: Iterable[tuple[str, Place, float]], *, middle: bool
) -> Layer | None:
    """tone: of the inks."""
    layer, shaper, size = clear(stage.layout.size), Shaper(words.fonts), Size(*stage.layout.size)
    for text, place, tone in texts:
        em = max(LEAST_SIZE, round(place.height * SIZE))
        edges = (place.left, place.top, place.left + place.width, place.bottom)
        box = Box(*(round(edge) for edge in edges))
        sizes = range(em, LEAST_SIZE - 1, -1)
        setting = Setting(shaper, box, sizes, runs_left(text), middle)
        placed, em = setting.placed(atoms_of(Cue(text, Fraction(0), Fraction(0))))
        letters, pictures = drawn_line(placed, shaper, em, size)
        paint = clear(stage.layout.size)
        paint[:] = stage.inks.at(0.0, tone)
        layer = over_layer(layer, through(letters, paint))
        layer = over_layer(layer, _premultiplied(pictures))
    return layer


def _premultiplied(picture: Layer) -> Layer:
    made = np.array(picture)
    opacity = cv2.merge([made[..., 3]] * 3)
    made[..., :3] = cv2.multiply(np.ascontiguousarray(made[..., :3]), opacity, scale=1 / 255)
    return made
