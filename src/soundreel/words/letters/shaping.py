"""One word in pixels: its characters in the fonts that have them, joined and ordered by HarfBuzz
and FriBiDi, as Pillow brings them (raqm)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, features

from soundreel.errors import InputError
from soundreel.types.words import Font
from soundreel.words.letters.fonts import face_for
from soundreel.words.letters.sfnt import Face, read_face
from soundreel.words.letters.text import clusters, needs_shaping

_STRIKES = (109, 160, 136, 128, 96, 72, 64, 48, 32)
"""Pixels an em that bitmaps in fonts have, usual ones first: FreeType scales none."""

_EMOJI_SCALE = 0.9
"""Of the em: beside capitals they would look too large."""


@dataclass(frozen=True, slots=True)
class Run:
    """A part of a word in one font."""

    text: str
    face: Face
    leftward: bool

    @property
    def direction(self) -> Literal["rtl", "ltr"] | None:
        """None: as it comes, since nothing here could turn it."""
        if not has_shaping():
            return None
        return "rtl" if self.leftward else "ltr"


@dataclass(frozen=True, slots=True)
class Canvas:
    """letters: "L", how much of a pixel is letter. pictures: "RGBA", what has its own colours."""

    letters: Image.Image
    pictures: Image.Image


def has_shaping() -> bool:
    """Whether Pillow can shape here: raqm is in its wheels, FriBiDi is the system's."""
    return bool(features.check("raqm"))


def shaping_identity() -> str:
    """What decides how letters look, beside their fonts."""
    names = ("pil", "freetype2", "raqm", "harfbuzz", "fribidi")
    return ", ".join(f"{name} {features.version(name)}" for name in names)


def require_shaping(text: str) -> None:
    """Raises InputError where letters would stand apart that must join."""
    if needs_shaping(text) and not has_shaping():
        raise InputError(
            f"{text.split()[0]!r} cannot be written here: its letters must be joined or ordered",
            hint="install the library FriBiDi (Debian: libfribidi0; macOS: brew install fribidi)",
        )


class Shaper:
    """Measures and draws words by the plan's fonts."""

    def __init__(self, fonts: Sequence[Font]) -> None:
        self._faces = [read_face(font) for font in fonts]
        self._measured = lru_cache(maxsize=4096)(self._measure)

    @property
    def main(self) -> Face:
        """What blanks and lines are measured by."""
        able = (face for face in self._faces if not face.colour and ord(" ") in face.chars)
        return next(able, self._faces[0])

    def runs(self, word: str, leftward: bool) -> list[Run]:
        """From left to right."""
        named = [(self._face(cluster), cluster) for cluster in clusters(word)]
        found = [
            Run("".join(text for _, text in group), face, leftward)
            for face, group in groupby(named, key=lambda pair: pair[0])
        ]
        return found[::-1] if leftward else found

    def width(self, word: str, size: int, leftward: bool = False) -> float:
        return self._measured(word, size, leftward)[0]

    def above_and_below(self, word: str, size: int) -> tuple[float, float]:
        """Of the base line, as the fonts of its letters ask for it."""
        return self._measured(word, size, False)[1:]

    def blank(self, size: int) -> float:
        return _advance(Run(" ", self.main, False), size)

    def draw(
        self, word: str, size: int, leftward: bool, canvas: Canvas, at: tuple[float, int]
    ) -> None:
        """From `at`: the left end of its base line."""
        x, base = at
        for run in self.runs(word, leftward):
            if run.face.colour:
                _draw_colour(run, size, canvas.pictures, (x, base))
            else:
                pen = ImageDraw.Draw(canvas.letters)
                font = _opened(run.face.font, size)
                pen.text((x, base), run.text, 255, font, "ls", direction=run.direction)
            x += _advance(run, size)

    def _measure(self, word: str, size: int, leftward: bool) -> tuple[float, float, float]:
        runs = self.runs(word, leftward)
        fonts = [_opened(run.face.font, size) for run in runs if not run.face.colour]
        above, below = zip((0, 0), *(font.getmetrics() for font in fonts), strict=True)
        return sum(_advance(run, size) for run in runs), max(above), max(below)

    def _face(self, cluster: str) -> Face:
        face = face_for(cluster, self._faces)
        assert face is not None, "fonts are chosen for these texts"
        return face


def _advance(run: Run, size: int) -> float:
    if not run.face.colour:
        return _length(run, size)
    strike = _strike(run.face.font)
    return _length(run, strike) * _EMOJI_SCALE * size / strike


def _length(run: Run, size: int) -> float:
    font = _opened(run.face.font, size)
    return float(font.getlength(run.text, direction=run.direction))


def _draw_colour(run: Run, size: int, canvas: Image.Image, at: tuple[float, int]) -> None:
    strike = _strike(run.face.font)
    scale = _EMOJI_SCALE * size / strike
    tile = Image.new("RGBA", (math.ceil(_length(run, strike)) + 2, 2 * strike))
    base = strike * 3 // 2
    ImageDraw.Draw(tile).text(
        (0, base),
        run.text,
        font=_opened(run.face.font, strike),
        anchor="ls",
        direction=run.direction,
        embedded_color=True,
    )
    small = tile.resize(
        (max(1, round(tile.width * scale)), max(1, round(tile.height * scale))),
        Image.Resampling.BOX,
    )
    left, top = round(at[0]), at[1] - round(base * scale)
    canvas.alpha_composite(small, (max(0, left), max(0, top)))


@lru_cache(maxsize=64)
def _opened(font: Font, size: int) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if has_shaping() else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(font.path), size, index=font.index, layout_engine=engine)


@lru_cache(maxsize=16)
def _strike(font: Font) -> int:
    for size in _STRIKES:
        try:
            _opened(font, size)
        except OSError:
            continue
        return size
    raise InputError(f"{font.path} has no pictures of a usual size", hint="give another font")
