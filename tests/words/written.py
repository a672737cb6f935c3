"""Shared by the tests of writing: small fonts that lie beside them, cues, pictures of words."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soundreel.types import Rgb, Size
from soundreel.types.words import Cue, Word
from soundreel.words.letters.fonts import choose_fonts
from soundreel.words.letters.shaping import Canvas, Shaper

FONTS = tuple(
    sorted((Path(__file__).parents[1] / "data" / "fonts").glob("*.[to]tf"), key=lambda f: f.name)
)
"""Arabic, CJK, Devanagari, Emoji: the few characters that are written here."""


def shaper_of(*texts: str) -> Shaper:
    return Shaper(choose_fonts(texts, FONTS))


def ink(word: str, *, leftward: bool = False, size: int = 48) -> NDArray[np.uint8]:
    """A word's letters (h, w), cut to where there is ink."""
    letters, _ = canvas_of(word, leftward=leftward, size=size)
    rows, columns = np.flatnonzero(letters.any(axis=1)), np.flatnonzero(letters.any(axis=0))
    return letters[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def canvas_of(
    word: str, *, leftward: bool = False, size: int = 48
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Letters (h, w), and what has its own colours (h, w, 4)."""
    canvas = Canvas(Image.new("L", (12 * size, 3 * size)), Image.new("RGBA", (12 * size, 3 * size)))
    shaper_of(word).draw(word, size, leftward, canvas, (size, 2 * size))
    return np.asarray(canvas.letters), np.asarray(canvas.pictures)


def cue_of(text: str, start: int = 1, end: int = 3, *, timed: bool = False) -> Cue:
    """Its words one after the other, all as long."""
    words = text.split()
    step = Fraction(end - start, len(words))
    times = [
        Word(
            word + " " * (number + 1 < len(words)),
            start + number * step,
            start + step * (number + 1),
        )
        for number, word in enumerate(words)
    ]
    return Cue(text, Fraction(start), Fraction(end), tuple(times) if timed else ())


def plain(size: Size, value: int) -> Rgb:
    return np.full((size.height, size.width, 3), value, np.uint8)


def noise(size: Size, seed: int = 1) -> Rgb:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (size.height, size.width, 3)).astype(np.uint8)


def changed(one: Rgb, other: Rgb) -> NDArray[np.bool_]:
    """(h, w)."""
    return np.asarray((one != other).any(axis=2))
