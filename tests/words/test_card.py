"""Title, artist, cover and logo: at their places, beside the words, in every shape."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from soundreel.errors import InputError
from soundreel.types import Request, Size
from soundreel.types.words import Words
from soundreel.words.card import card_sheets
from soundreel.words.places import Box, lyrics_box, safe_box
from soundreel.words.sheet import Sheet
from words.written import changed, plain, shaper_of

SHAPES = [Size(360, 640), Size(360, 360), Size(640, 360), Size(360, 450)]
TITLE = "Midnight City Lights and Other Songs"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (60, 40), (250, 20, 20)).save(tmp_path / "cover.png")
    return tmp_path / "cover.png"


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    """Green, its left half clear."""
    made = Image.new("RGBA", (40, 20), (20, 250, 20, 255))
    made.paste((0, 0, 0, 0), (0, 0, 20, 20))
    made.save(tmp_path / "logo.png")
    return tmp_path / "logo.png"


def sheets(size: Size, title: str = TITLE, **more: Path) -> list[Sheet]:
    request = Request(audio="a.wav", width=size.width, height=size.height, **more)  # type: ignore[arg-type]
    return card_sheets(Words(title=title, artist="Anna"), request, shaper_of(title, "Anna"))


def bounds(seen: np.ndarray) -> Box:
    rows, columns = np.nonzero(seen)
    return Box(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.right <= outer.right
        and inner.bottom <= outer.bottom
    )


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_they_stand_inside_the_margins_and_touch_neither_each_other_nor_the_words(
    size: Size, picture: Path, logo: Path
) -> None:
    titles, mark = sheets(size, artwork=picture, logo=logo)
    covers = [line.mask for line in titles.lines]
    assert titles.pictures is not None
    own = bounds(np.maximum.reduce([*covers, titles.pictures[..., 3]]))
    left, top = titles.box.left, titles.box.top
    own = Box(own.left + left, own.top + top, own.right + left, own.bottom + top)
    assert inside(own, safe_box(size))
    assert inside(mark.box, safe_box(size))
    assert own.right <= mark.box.left
    assert max(own.bottom, mark.box.bottom) <= lyrics_box(size).top


def test_a_logo_is_clear_where_it_is_transparent(logo: Path) -> None:
    (mark,) = (sheet for sheet in sheets(SHAPES[1], logo=logo) if not sheet.lines)
    ground, composed = plain(SHAPES[1], 100), plain(SHAPES[1], 100)
    mark.lay(composed, Fraction(0))
    seen = bounds(changed(composed, ground))
    assert seen.right == mark.box.right
    assert seen.width == pytest.approx(mark.box.width / 2, abs=5)


def test_a_cover_is_a_square_with_its_own_colours(picture: Path) -> None:
    (titles,) = sheets(SHAPES[1], artwork=picture)
    composed = plain(SHAPES[1], 0)
    titles.lay(composed, Fraction(0))
    red = bounds((composed[..., 0] > 200) & (composed[..., 1] < 60))
    assert red.width == red.height == int(360 * 0.15)


def test_a_title_without_room_is_an_error_not_cut() -> None:
    with pytest.raises(InputError, match="no room"):
        sheets(SHAPES[1], "endless " * 40)


def test_a_cover_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image at"):
        sheets(SHAPES[1], artwork=tmp_path / "none.png")
