"""Words can be read on anything: measured on the picture as it is composed, by WCAG's own words."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from soundreel.types import Rgb, Size
from soundreel.words.drawing import sheet_of
from soundreel.words.layout import screens_of
from soundreel.words.sheet import Sheet
from words.written import changed, cue_of, noise, plain, shaper_of

SIZE = Size(320, 240)
GROUNDS = {
    "black": plain(SIZE, 0),
    "white": plain(SIZE, 255),
    "mid grey": plain(SIZE, 128),
    "noise": noise(SIZE),
    "yellow": np.broadcast_to(np.array((255, 235, 60), np.uint8), (240, 320, 3)).copy(),
}


def sheet_for(text: str, *, timed: bool = False, captions: bool = False) -> Sheet:
    shaper = shaper_of(text)
    screen = screens_of(cue_of(text, 0, 2, timed=timed), shaper, SIZE, captions)[0]
    sheet = sheet_of(screen, shaper, SIZE, captions)
    assert sheet is not None
    return sheet


def luminance(picture: Rgb) -> NDArray[np.float64]:
    """As WCAG 2.2 writes it down (relative luminance)."""
    value = picture[..., :3].astype(np.float64) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(light @ (0.2126, 0.7152, 0.0722))


def worst_contrast(sheet: Sheet, composed: Rgb) -> float:
    """Of the darkest pixel that is wholly letter to the lightest beside letters."""
    part = composed[sheet.box.top : sheet.box.bottom, sheet.box.left : sheet.box.right]
    letters = np.maximum.reduce([line.mask for line in sheet.lines])
    beside = (cv2.dilate(letters, np.ones((5, 5), np.uint8)) > 0) & (letters == 0)
    light = luminance(part)
    one, other = light[letters == 255].min(), light[beside].max()
    return float((max(one, other) + 0.05) / (min(one, other) + 0.05))


@pytest.mark.parametrize("name", GROUNDS)
@pytest.mark.parametrize("kind", ["lyrics", "karaoke", "captions"])
def test_letters_stand_out_from_what_is_beside_them(name: str, kind: str) -> None:
    sheet = sheet_for("night lights gold", timed=kind == "karaoke", captions=kind == "captions")
    composed = GROUNDS[name].copy()
    sheet.lay(composed, Fraction(1))
    assert worst_contrast(sheet, composed) >= 4.5


def test_without_its_shade_white_on_grey_could_not_be_read() -> None:
    """That the measure tells one from the other."""
    sheet = sheet_for("night lights gold")
    bare = Sheet(sheet.box, sheet.lines)
    composed = GROUNDS["mid grey"].copy()
    bare.lay(composed, Fraction(1))
    assert worst_contrast(sheet, composed) < 4.5


def test_a_light_ground_is_darkened_more_than_a_dark_one_and_only_around_the_words() -> None:
    sheet = sheet_for("night")
    kept = {}
    for value in (60, 255):
        ground, composed = plain(SIZE, value), plain(SIZE, value)
        sheet.lay(composed, Fraction(1))
        kept[value] = composed[changed(composed, ground)].min() / value
        assert not changed(composed, ground)[: sheet.box.top].any()
    assert kept[255] < kept[60] < 1


def test_on_an_overlay_words_are_opaque_and_readable_on_white() -> None:
    """Pictures with alpha are premultiplied; what will lie beneath them is unknown."""
    sheet = sheet_for("night lights gold")
    overlay = np.zeros((SIZE.height, SIZE.width, 4), np.uint8)
    sheet.lay(overlay, Fraction(1))
    assert (overlay[..., :3] <= overlay[..., 3:]).all()
    on_white = overlay[..., :3] + (255 - overlay[..., 3:])
    assert worst_contrast(sheet, on_white) >= 4.5
    assert not overlay[: sheet.box.top].any()
