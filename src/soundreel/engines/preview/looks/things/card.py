"""A card: the artwork with title and artist, or who speaks, each in a round picture; beneath it the
spectrum, and a line that says how much has been played."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from soundreel.engines.preview.canvas.layer import (
    Layer,
    colour,
    disc,
    fill,
    line,
    over_layer,
)
from soundreel.engines.preview.looks.things.cover import Cover
from soundreel.engines.preview.looks.things.lettering import lettered
from soundreel.engines.preview.looks.things.people import People, people_of
from soundreel.engines.preview.looks.things.places import Places, arranged
from soundreel.engines.preview.staging.stage import Light, Stage

BARS = 48
BAR = 0.55
"""Width of a bar, as a share of its place."""


class Card:
    light: ClassVar[Light] = (0.5, 0.42)
    shows_picture: ClassVar[bool] = True

    def __init__(self, stage: Stage) -> None:
        self._stage, people = stage, people_of(stage)
        several = len(people) > 1
        places = arranged(stage.layout, titled=_is_titled(stage), several=several)
        self._places = places
        front = People(stage, places.front, people) if several else None
        self._front = front or Cover(stage, places.front)
        self._words = lettered(stage, places)
        self._hues = np.linspace(0, 0.62, BARS)

    def draw(self, i: int) -> Layer:
        layer = self._front.draw(i)
        if self._words is not None:
            layer = over_layer(layer, self._words)
        self._draw_bars(layer, i)
        _draw_progress(layer, self._places, self._stage, i)
        return layer

    def _draw_bars(self, layer: Layer, i: int) -> None:
        """Both ways from a line in the middle."""
        box, unit = self._places.bars, self._stage.layout.unit
        levels, _ = self._stage.bars(i, BARS)
        step = box.width / BARS
        half = np.maximum(levels * (box.height / 2), 0.003 * unit)
        inks = self._stage.inks.all(self._hues, 0.85 + 0.9 * levels)
        middle = box.top + box.height / 2
        for k in range(BARS):
            left = box.left + step * (k + (1 - BAR) / 2)
            right, top, bottom = left + step * BAR, middle - half[k], middle + half[k]
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
            fill(layer, corners, inks[k])


def played(stage: Stage, i: int) -> float:
    """How much of the clip has been played when frame i appears, 0..1."""
    return float(i / (stage.plan.audio.duration * stage.plan.fps))


def _draw_progress(layer: Layer, places: Places, stage: Stage, i: int) -> None:
    left, right, y = places.line
    at, thick = left + played(stage, i) * (right - left), 0.007 * stage.layout.unit
    ends = np.array([[left, y], [right, y]])
    white = stage.inks.at(0.0, 2.6)
    line(layer, ends, colour(stage.inks.rgb(0.0, 2.2).tolist(), 0.28), thick)
    line(layer, np.array([[left, y], [at, y]]), white, thick)
    disc(layer, (at, y), 1.9 * thick, white)


def _is_titled(stage: Stage) -> bool:
    words = stage.plan.words
    return words is not None and words.on_card and bool(words.title or words.artist)
