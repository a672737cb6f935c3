"""How the reference image and the pose video are fitted, in space and in time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from soundreel.engines.wan.encoders.pictures import (
    BLANK,
    PoseVideo,
    reference_pixels,
    scaled_size,
)
from soundreel.types import Rgb


def grey(level: int, height: int = 40, width: int = 56) -> Rgb:
    return np.full((height, width, 3), level, np.uint8)


class Counting:
    """A video whose picture i is grey i; counts how often it is opened."""

    def __init__(self, pictures: int) -> None:
        self.pictures, self.opened = pictures, 0

    def __call__(self) -> Iterator[Rgb]:
        self.opened += 1
        return (grey(index) for index in range(self.pictures))


def levels(pixels: object) -> list[int]:
    """The grey of each picture of (1, 3, n, H, W)."""
    values = (pixels[0, 0, :, 5, 5] + 1) * 127.5  # type: ignore[index]
    return [round(value) for value in values.tolist()]


@pytest.mark.parametrize("size", [(1000, 700), (700, 1000), (832, 1216), (64, 64), (33, 4000)])
@pytest.mark.parametrize("target", [(832, 1216), (960, 704), (64, 64)])
def test_picture_covers_the_target(size: tuple[int, int], target: tuple[int, int]) -> None:
    width, height = scaled_size(*size, *target, official=False)
    assert width >= target[0]
    assert height >= target[1]
    assert width == target[0] or height == target[1]


def test_official_scaling_goes_by_the_shorter_side() -> None:
    assert scaled_size(1000, 700, 960, 704, official=True) == (int(704 * 1000 / 700), 704)
    assert scaled_size(600, 800, 64, 64, official=True) == (64, 85)


def test_reference_image_of_the_right_size_is_untouched() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    for official in (False, True):
        pixels = reference_pixels(picture, 48, 64, official=official)
        assert pixels.shape == (1, 3, 1, 64, 48)
        back = ((pixels[0, :, 0].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8)
        assert np.array_equal(back.numpy(), picture)


def test_centre_is_kept() -> None:
    picture = grey(0, 100, 300)
    picture[:, 140:160] = 255
    bright = reference_pixels(picture, 64, 64)[0, 0, 0].mean(dim=0) > 0
    assert bright.any()
    assert torch.equal(bright, bright.flip(0))


def test_image_squarer_than_the_target_is_covered_or_framed_as_officially() -> None:
    picture = grey(255, 64, 64)
    assert (reference_pixels(picture, 96, 64) == 1).all()
    framed = reference_pixels(picture, 96, 64, official=True)[0, 0, 0]
    assert (framed[:, :16] == -1).all()
    assert (framed[:, 16:80] == 1).all()


@pytest.mark.parametrize("rate", [8, 16, 24, 25, Fraction(30000, 1001), 60])
def test_pose_stays_in_step_with_the_sound(rate: Fraction) -> None:
    rate = Fraction(rate)
    video = PoseVideo(Counting(250), rate, 16, 16)
    wanted = [round(at * rate / 16) for at in range(40)]
    assert levels(video.pixels(0, 40)) == wanted
    assert all(abs(index / rate - Fraction(at, 16)) <= 1 / rate for at, index in enumerate(wanted))


@pytest.mark.parametrize(("rate", "stride"), [(24, 2), (25, 2), (30, 2), (16, 1), (60, 4), (10, 1)])
def test_official_pose_takes_every_nth_picture(rate: int, stride: int) -> None:
    video = PoseVideo(Counting(250), Fraction(rate), 16, 16, official=True)
    assert levels(video.pixels(0, 40)) == [at * stride for at in range(40)]


def test_pose_goes_on_from_chunk_to_chunk_in_one_pass() -> None:
    source = Counting(100)
    video = PoseVideo(source, Fraction(16), 16, 16)
    assert levels(video.pixels(-3, 8)) == [0, 0, 0, 0, 1, 2, 3, 4]
    assert levels(video.pixels(5, 8)) == list(range(5, 13))
    assert source.opened == 1
    assert levels(video.pixels(0, 2)) == [0, 1]
    assert source.opened == 2


def test_after_the_pose_video_pictures_are_blank() -> None:
    video = PoseVideo(Counting(6), Fraction(16), 16, 16)
    pixels = video.pixels(4, 8)
    assert levels(pixels)[:2] == [4, 5]
    assert (pixels[:, :, 2:] == BLANK).all()
    assert (video.pixels(12, 4) == BLANK).all()


@pytest.mark.parametrize("case", ["pose0", "pose1"])
def test_pictures_equal_those_of_the_official_code(case: str) -> None:
    """Recorded from it: pose pictures of two chunks, the first one repeated in front, and an
    image, scaled and cut (or framed) to another shape. Source in the file's metadata."""
    from safetensors.torch import load_file

    stored = load_file(Path(__file__).parents[2] / "data" / "wan_pictures.safetensors")
    video, rate = stored[f"{case}.video"].numpy(), Fraction(stored[f"{case}.fps"].item())
    height, width = stored[f"{case}.size_hw"].tolist()
    pose = PoseVideo(lambda: iter(list(video)), rate, width, height, official=True)
    for chunk in (0, 1):
        expected = stored[f"{case}.chunk{chunk}"][:, :, 1:]
        count = expected.shape[2]
        pixels = pose.pixels(chunk * count, count)
        assert torch.allclose(pixels, expected, atol=1e-6)
    image = reference_pixels(video[0], width, height, official=True)
    assert torch.equal(image, stored[f"{case}.reference"])
