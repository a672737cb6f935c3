"""What stands in the picture all the time: cover, title and artist at the upper left, a logo at the
upper right."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from soundreel.errors import InputError, mention
from soundreel.media.cover import load_cover
from soundreel.media.image import load_image, load_opacity
from soundreel.options.texts import TAGS
from soundreel.types import Request, Rgb
from soundreel.types.words import Cue, Words
from soundreel.words.breaking import atoms_of
from soundreel.words.contrast import Colour
from soundreel.words.drawing import WHITE, drawn_line, trimmed
from soundreel.words.letters.shaping import Shaper
from soundreel.words.letters.text import runs_left
from soundreel.words.places import Box, gap, logo_box, title_box
from soundreel.words.setting import LEAST_SIZE, Setting
from soundreel.words.sheet import Line, Mask, Sheet

_ARTWORK = Fraction(150, 1000)
_TITLE, _ARTIST = Fraction(44, 1000), Fraction(34, 1000)
"""Of the shorter side: a side of the artwork, sizes of the type."""
_SHRINKING = tuple(Fraction(percent, 100) for percent in range(100, 55, -5))
_ROUND = 0.08
"""Of the artwork's side: its corners."""
_SOFT: Colour = (222, 225, 231)


def card_sheets(words: Words, request: Request, shaper: Shaper) -> list[Sheet]:
    """Raises InputError where a picture cannot be read, or a text has no room."""
    titles = () if words.on_card else _titles(words, request, shaper)
    return [*titles, *_logo(request)]


def _titles(words: Words, request: Request, shaper: Shaper) -> Iterator[Sheet]:
    size = request.output_size
    pictures, lines = list[Mask](), list[Line]()
    box = title_box(size, beside_logo=request.logo is not None)
    artwork = artwork_of(request)
    if artwork is not None:
        side = int(min(size) * _ARTWORK)
        pictures.append(_tile(artwork, side, box, size))
        box = box._replace(left=box.left + side + gap(size))
    said = (("title", words.title, _TITLE, WHITE), ("artist", words.artist, _ARTIST, _SOFT))
    for name, text, share, colour in said:
        if text:
            sizes = [max(LEAST_SIZE, int(min(size) * share * part)) for part in _SHRINKING]
            setting = Setting(shaper, box, sizes, runs_left(text), middle=False)
            atoms = atoms_of(Cue(text, Fraction(0), Fraction(0)))
            if setting.lines(atoms)[0] is None:
                raise _too_long(name, text)
            placed, em = setting.placed(atoms)
            letters, own = drawn_line(placed, shaper, em, size)
            lines.append(Line(letters, colour, colour))
            pictures.append(own)
            box = box._replace(top=placed[-1].base + round(em * Fraction(45, 100)))
    sheet = trimmed(lines, pictures, int(min(size) * _TITLE))
    if sheet is not None:
        yield sheet


def _too_long(name: str, text: str) -> InputError:
    return InputError.about(
        {name: text}, "there is no room for it in two lines", hint="write a shorter one"
    )


def artwork_of(request: Request) -> Rgb | None:
    """The picture to stand beside title and artist. Raises InputError."""
    if request.artwork is None:
        return None
    if request.artwork != TAGS:
        return load_image(Path(request.artwork))
    found = load_cover(request.sound)
    if found is None:
        raise InputError.about(
            {"artwork": TAGS},
            f"{request.source.name} has no picture inside it",
            hint=f"name one, {mention(artwork='cover.jpg')}, or leave it out",
        )
    return found


def _tile(artwork: Rgb, side: int, box: Box, size: tuple[int, int]) -> Mask:
    """On a canvas of the whole picture: its middle square, with round corners."""
    picture = Image.fromarray(artwork)
    edge, (width, height) = min(picture.size), picture.size
    left, top = (width - edge) // 2, (height - edge) // 2
    small = picture.crop((left, top, left + edge, top + edge)).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    corners = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(corners).rounded_rectangle(
        (0, 0, 4 * side - 1, 4 * side - 1), 4 * side * _ROUND, fill=255
    )
    small.putalpha(corners.resize((side, side), Image.Resampling.BOX))
    canvas = Image.new("RGBA", size)
    canvas.paste(small, (box.left, box.top))
    return np.asarray(canvas)


def _logo(request: Request) -> Iterator[Sheet]:
    """As large as its corner holds; it brings its own contrast."""
    if request.logo is None:
        return
    corner = logo_box(request.output_size)
    picture, opacity = Image.fromarray(load_image(request.logo)), load_opacity(request.logo)
    if opacity is not None:
        picture.putalpha(Image.fromarray(opacity))
    scale = min(corner.width / picture.width, corner.height / picture.height)
    width, height = (max(1, round(each * scale)) for each in picture.size)
    small = picture.convert("RGBA").resize((width, height), Image.Resampling.LANCZOS)
    box = Box(corner.right - width, corner.top, corner.right, corner.top + height)
    yield Sheet(box, (), pictures=np.asarray(small))
