"""How the reference image is fitted, and what is drawn from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from soundreel.engines.preview.draw.pictures import ImageSource, image_palette, make_source
from soundreel.engines.preview.look.palettes import parse_colour
from soundreel.media.oklab import to_oklab
from soundreel.types import Rgb

FRAME = (160, 240)
SHAPES = [(200, 200), (600, 120), (100, 500), (160, 240), (8, 8), (3000, 60)]


def picture(width: int, height: int) -> Rgb:
    """A red disc in the middle of a blue gradient."""
    y, x = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 2] = 60 + 120 * x // width
    centre = ((width - 1) / 2, (height - 1) / 2)
    disc = np.hypot(x - centre[0], y - centre[1]) < min(width, height) * 0.3
    image[disc] = (220, 40, 30)
    return image


def disc_box(source: ImageSource) -> tuple[int, int]:
    """Width and height of the red disc on the canvas, its mirrored likeness beyond left out."""
    x, y, width, height = (round(value) for value in source.image_box)
    canvas = source.canvas[max(y, 0) : y + height, max(x, 0) : x + width]
    red = (canvas[..., 0] > 150) & (canvas[..., 2] < 90)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fit", ["blur", "fill"])
def test_the_canvas_is_the_frame_and_a_margin(shape: tuple[int, int], fit: str) -> None:
    source = make_source(picture(*shape), *FRAME, fit)
    width, height = FRAME[0] + 2 * source.margin, FRAME[1] + 2 * source.margin
    assert source.canvas.shape == (height, width, 3)
    assert source.depth.min() >= 0
    assert source.depth.max() <= 1


@pytest.mark.parametrize("shape", [(200, 200), (600, 300), (200, 500)])
@pytest.mark.parametrize("fit", ["blur", "fill"])
def test_the_image_is_not_distorted(shape: tuple[int, int], fit: str) -> None:
    width, height = disc_box(make_source(picture(*shape), *FRAME, fit))
    assert width == pytest.approx(height, rel=0.05)


@pytest.mark.parametrize("shape", [(600, 120), (100, 500)])
def test_blur_shows_the_whole_image_and_fill_cuts(shape: tuple[int, int]) -> None:
    blurred = make_source(picture(*shape), *FRAME, "blur")
    canvas_height, canvas_width = blurred.canvas.shape[:2]
    x, y, width, height = blurred.image_box
    assert x >= 0
    assert y >= 0
    assert x + width <= canvas_width + 1
    assert y + height <= canvas_height + 1
    assert width / height == pytest.approx(shape[0] / shape[1], rel=0.05)
    x, y, width, height = make_source(picture(*shape), *FRAME, "fill").image_box
    assert x <= 0
    assert y <= 0
    assert x + width >= canvas_width - 1
    assert y + height >= canvas_height - 1


def test_no_edge_shows_where_the_image_ends() -> None:
    """The largest step across the border is no larger than steps inside the image."""
    source = make_source(picture(400, 200), *FRAME, "blur")
    grey = cv2.cvtColor(source.canvas, cv2.COLOR_RGB2GRAY).astype(float)
    steps = np.abs(np.diff(grey, axis=0)).mean(axis=1)
    top = round(source.image_box[1])
    assert steps[top - 4 : top + 4].max() < 2.5


def test_the_palette_is_taken_from_the_image() -> None:
    keys = np.stack([to_oklab(parse_colour(key)) for key in image_palette(picture(100, 100)).keys])
    red, blue = (to_oklab(np.array(c) / 255) for c in ((220, 40, 30), (0, 0, 120)))
    for wanted in (red, blue):
        hue = np.arctan2(wanted[2], wanted[1])
        off = np.abs(np.angle(np.exp(1j * (np.arctan2(keys[:, 2], keys[:, 1]) - hue))))
        assert off.min() < 0.3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_images_have_a_palette_and_a_glow(level: int) -> None:
    source = make_source(np.full((64, 64, 3), level, np.uint8), *FRAME, "blur")
    assert np.isfinite(source.glow).all()
    assert np.isfinite(source.depth).all()
    assert len(source.palette.keys) == 3
