"""Artwork: told from photographs, shown whole and untouched, on a ground where it can be seen."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media_factory import click_track, write_audio
from preview.test_engine import frames, plan_of
from soundreel.engines.preview.draw.art import DEEP, PALE, Artwork, place_artwork, why_artwork
from soundreel.events import Event, Notice, RunControl
from soundreel.media.image import load_image, load_opacity
from soundreel.media.pixels import BACKDROP
from soundreel.types import Rgb

EXAMPLES = Path(__file__).parents[2] / "examples"
FRAME = (160, 240)


def cover(width: int, height: int) -> Rgb:
    """A border of one pixel, flat fields, and lines one pixel wide: what bending or dimming would
    show on."""
    image = np.full((height, width, 3), (200, 60, 40), np.uint8)
    image[height // 4 :: 7, ::3] = (250, 240, 210)
    image[0], image[-1], image[:, 0], image[:, -1] = (10, 10, 60), (10, 10, 60), 255, 255
    return image


def logo(level: int) -> Image.Image:
    """A bar of one grey, clear all around."""
    rgba = np.zeros((60, 100, 4), np.uint8)
    rgba[20:40, 10:90] = (level, level, level, 255)
    return Image.fromarray(rgba)


@pytest.fixture(scope="module")
def beat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "beat.wav"
    return write_audio(path, click_track(3, 120, rate=16000), rate=16000)


def pictures(
    beat: Path, image: Path, said: list[str] | None = None, **changes: object
) -> list[Rgb]:
    events: list[Event] = []
    plan = plan_of(beat, **{"image": image, "width": FRAME[0], "height": FRAME[1], **changes})
    found = list(frames(plan, control=RunControl(events.append)))
    if said is not None:
        said += [event.message for event in events if isinstance(event, Notice)]
    return found


@pytest.mark.parametrize("shape", [(120, 120), (160, 240), (300, 100), (80, 200)])
@pytest.mark.parametrize("motion", ["off", "gentle", "full"])
def test_a_cover_is_never_cut_bent_or_dimmed(
    tmp_path: Path, beat: Path, shape: tuple[int, int], motion: str
) -> None:
    """Every pixel of it is there in every picture, whatever moves around."""
    Image.fromarray(cover(*shape)).save(tmp_path / "cover.png")
    options = {"fit": "whole", "motion": motion}
    art = place_artwork(cover(*shape), None, *FRAME, framed=motion != "off")
    rows, columns = art.colour.shape[:2]
    assert columns / rows == pytest.approx(shape[0] / shape[1], rel=0.02)
    shown = [
        picture[art.y : art.y + rows, art.x : art.x + columns]
        for picture in pictures(beat, tmp_path / "cover.png", options=options)
    ]
    assert all(np.array_equal(part, art.colour) for part in shown)


def test_around_a_cover_of_the_frames_own_shape_the_surround_moves(
    tmp_path: Path, beat: Path
) -> None:
    Image.fromarray(cover(160, 160)).save(tmp_path / "cover.png")
    shown = pictures(beat, tmp_path / "cover.png", width=160, height=160, options={"fit": "whole"})
    art = place_artwork(cover(160, 160), None, 160, 160, framed=True)
    assert art.x >= 12
    assert art.y >= 12
    change = [np.abs(a.astype(int) - b)[:, : art.x].mean() for a, b in pairwise(shown)]
    assert max(change) > 6


def test_pictures_of_artwork_are_the_same_again(tmp_path: Path, beat: Path) -> None:
    logo(20).save(tmp_path / "logo.png")
    once, again = (pictures(beat, tmp_path / "logo.png", num_frames=12) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize(("level", "ground"), [(12, PALE), (90, PALE), (250, DEEP)])
def test_a_transparent_logo_is_seen_on_a_ground_of_fitting_lightness(
    tmp_path: Path, beat: Path, level: int, ground: float
) -> None:
    logo(level).save(tmp_path / "logo.png")
    said: list[str] = []
    shown = pictures(beat, tmp_path / "logo.png", said)
    art = placed_logo(tmp_path / "logo.png")
    assert art.ground_lightness() == ground
    assert any("artwork (it is transparent in places)" in line for line in said)
    assert art.opacity is not None
    solid = np.zeros(FRAME[::-1], np.uint8)
    solid[art.y : art.y + art.opacity.shape[0], art.x : art.x + art.opacity.shape[1]] = art.opacity
    for picture in shown[::7]:
        assert np.abs(picture[solid == 255].astype(int) - level).max() <= 12  # enlarged
        beside = picture[solid == 0].mean(axis=1)
        assert np.abs(beside - level).min() > 20
        assert abs(beside.mean() - level) > 60


def placed_logo(path: Path) -> Artwork:
    return place_artwork(load_image(path), load_opacity(path), *FRAME, framed=True)


def test_half_clear_pixels_are_mixed_with_what_lies_under_them() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[...] = (200, 100, 0, 128)
    on_backdrop = np.round(
        np.array([200, 100, 0]) * (128 / 255) + np.array(BACKDROP) * (127 / 255)
    ).astype(np.uint8)
    image = np.broadcast_to(on_backdrop, (40, 40, 3)).copy()
    art = place_artwork(image, np.full((40, 40), 128, np.uint8), 80, 80, framed=True)
    under = np.full((80, 80, 3), 240, np.uint8)
    middle = art.laid_on(under)[40, 40]
    assert np.abs(middle - (np.array([200, 100, 0]) * 128 + 240 * 127) / 255).max() < 2


def test_photographs_are_not_taken_for_artwork() -> None:
    assert why_artwork(load_image(EXAMPLES / "portrait.png"), None) == ""
    wall = np.random.default_rng(1).normal(120, 20, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    wall[:, :200] = 255  # a plain background, blown out
    assert why_artwork(wall, None) == ""


def test_flat_colours_and_clear_pixels_are() -> None:
    assert why_artwork(cover(200, 200), None) == "it has flat colours"
    opacity: NDArray[np.uint8] = np.full((200, 200), 255, np.uint8)
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    assert why_artwork(noise, opacity) == ""
    opacity[:10] = 0
    assert why_artwork(noise, opacity) == "it is transparent in places"


def test_the_user_decides_over_what_is_found(tmp_path: Path, beat: Path) -> None:
    Image.fromarray(cover(160, 160)).save(tmp_path / "cover.png")
    said: list[str] = []
    by_itself = pictures(beat, tmp_path / "cover.png", said, num_frames=6)
    assert any("flat colours" in line for line in said)
    said.clear()
    filled = pictures(beat, tmp_path / "cover.png", said, num_frames=6, options={"fit": "fill"})
    assert said == []
    old_word = pictures(beat, tmp_path / "cover.png", num_frames=6, options={"fit": "crop"})
    assert not np.array_equal(by_itself[3], filled[3])
    assert all(np.array_equal(a, b) for a, b in zip(filled, old_word, strict=True))


def test_a_marked_mouth_on_artwork_shown_whole_is_refused_in_one_line(
    tmp_path: Path, beat: Path
) -> None:
    Image.fromarray(cover(160, 160)).save(tmp_path / "cover.png")
    said: list[str] = []
    options = {"fit": "whole", "mouth": "50,50,40,20"}
    pictures(beat, tmp_path / "cover.png", said, num_frames=2, options=options)
    assert any(line.startswith("no mouth: artwork") for line in said)
