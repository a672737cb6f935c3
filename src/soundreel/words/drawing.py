"""From a screen to a sheet: letters drawn, and the shade that they stand on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soundreel.types import Size
from soundreel.words.contrast import Colour
from soundreel.words.layout import Screen
from soundreel.words.letters.shaping import Canvas, Shaper
from soundreel.words.places import Box
from soundreel.words.setting import Placed
from soundreel.words.sheet import Line, Mask, Sheet

WHITE: Colour = (255, 255, 255)
_WAITING: Colour = (206, 210, 218)
_LIT: Colour = (255, 216, 74)
"""Sung, or spoken now."""

_OUTLINE, _GLOW = 0.055, 0.30
"""Of the em: as far from a letter the shade is whole; so soft is its border."""
_LEAST_SHADE = 0.45


def sheet_of(screen: Screen, shaper: Shaper, size: Size, captions: bool) -> Sheet | None:
    """None where nothing of it can be seen."""
    has_times = any(word.timed for word in screen.words)
    plain = _WAITING if has_times and not captions else WHITE
    lines = [list(words) for _, words in groupby(screen.words, key=lambda word: word.line)]
    drawn = [drawn_line(words, shaper, screen.size, size) for words in lines]
    made = [
        Line(letters, plain, _LIT, tuple(timed for word in words for timed in word.timed), captions)
        for words, (letters, _) in zip(lines, drawn, strict=True)
    ]
    return trimmed(made, [pictures for _, pictures in drawn], screen.size)


def drawn_line(words: Iterable[Placed], shaper: Shaper, em: int, size: Size) -> tuple[Mask, Mask]:
    """A line on a canvas of the whole picture: letters, and what has its own colours."""
    canvas = Canvas(Image.new("L", size), Image.new("RGBA", size))
    for word in words:
        shaper.draw(word.text, em, word.leftward, canvas, (word.x, word.base))
    return np.asarray(canvas.letters), np.asarray(canvas.pictures)


def trimmed(lines: list[Line], pictures: list[Mask], em: int) -> Sheet | None:
    """The part of whole canvases that has something on it, with its shade; None where nothing."""
    if not lines and not pictures:
        return None
    cover = np.maximum.reduce([line.mask for line in lines] + [each[..., 3] for each in pictures])
    box = _bounds(cover, round(em * (_OUTLINE + 2 * _GLOW)) + 2)
    if box is None:
        return None
    halo, ring = _shade(_cut(cover, box), em)
    own = np.maximum.reduce([_cut(each, box) for each in pictures])
    return Sheet(
        box,
        tuple(_moved(line, box) for line in lines),
        halo,
        ring,
        own if own[..., 3].any() else None,
        _LEAST_SHADE,
    )


def _moved(line: Line, box: Box) -> Line:
    timed = (
        replace(each, begin=each.begin - box.left, end=each.end - box.left) for each in line.timed
    )
    return replace(line, mask=_cut(line.mask, box), timed=tuple(timed))


def _cut(canvas: Mask, box: Box) -> Mask:
    return np.ascontiguousarray(canvas[box.top : box.bottom, box.left : box.right])


def _bounds(cover: Mask, margin: int) -> Box | None:
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not rows.size:
        return None
    height, width = cover.shape
    return Box(
        max(0, int(columns[0]) - margin),
        max(0, int(rows[0]) - margin),
        min(width, int(columns[-1]) + 1 + margin),
        min(height, int(rows[-1]) + 1 + margin),
    )


def _shade(cover: Mask, em: int) -> tuple[Mask, NDArray[np.intp]]:
    """Whole right beside the letters, softly less around them."""
    reach = max(3, round(em * _OUTLINE))
    near = cv2.dilate(
        (cover > 0).astype(np.uint8) * 255,
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)),
    )
    soft = cv2.GaussianBlur(near, (0, 0), max(1.0, em * _GLOW / 2))
    edge = cv2.GaussianBlur(near, (0, 0), 0.8)
    halo = np.maximum(near, np.maximum(edge, soft))
    return np.asarray(halo, np.uint8), np.flatnonzero((near > 0) & (cover < 255))
