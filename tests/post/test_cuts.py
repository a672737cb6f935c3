"""A new scene is told from motion, whatever the light does."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from soundreel.post.cuts import is_cut, small_size
from soundreel.types import Rgb
from video_factory import moving_scene, texture

SIZE = (320, 200)
BLACK = np.zeros((200, 320, 3), np.uint8)


def small(picture: Rgb) -> Rgb:
    height, width = picture.shape[:2]
    size = small_size(width, height)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def light(picture: Rgb, gain: float, lift: float = 0) -> Rgb:
    return np.clip(picture * gain + lift, 0, 255).astype(np.uint8)


def dim(picture: Rgb) -> Rgb:
    return light(picture, 0.12)


def grain(picture: Rgb, seed: int) -> Rgb:
    noise = np.random.default_rng(seed).normal(0, 20, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


GOES_ON: dict[str, Callable[[float], tuple[Rgb, Rgb]]] = {
    "motion": lambda t: (moving_scene(t, SIZE), moving_scene(t + 1 / 16, SIZE)),
    "quick motion": lambda t: (moving_scene(t, SIZE), moving_scene(t + 1 / 4, SIZE)),
    "flash": lambda t: (moving_scene(t, SIZE), light(moving_scene(t + 1 / 25, SIZE), 1.7, 20)),
    "fade": lambda t: (moving_scene(t, SIZE), light(moving_scene(t + 1 / 25, SIZE), 0.7)),
    "dark": lambda t: (dim(moving_scene(t, SIZE)), dim(moving_scene(t + 1 / 16, SIZE))),
    "grain": lambda t: (grain(moving_scene(t, SIZE), 1), grain(moving_scene(t + 1 / 16, SIZE), 2)),
    "end of a fade": lambda t: (light(moving_scene(t, SIZE), 0.02), BLACK),
}  # fmt: skip
IS_CUT: dict[str, Callable[[float], tuple[Rgb, Rgb]]] = {
    "another scene": lambda t: (moving_scene(t, SIZE), texture(*SIZE, seed=round(100 * t))),
    "dark": lambda t: (
        light(moving_scene(t, SIZE), 0.15), light(texture(*SIZE, seed=round(100 * t)), 0.15)
    ),
    "to black": lambda t: (moving_scene(t, SIZE), BLACK),
    "from white": lambda t: (light(BLACK, 1, 255), moving_scene(t, SIZE)),
}  # fmt: skip


@pytest.mark.parametrize("name", GOES_ON)
@pytest.mark.parametrize("time", [0.0, 0.9, 2.3])
def test_a_scene_that_goes_on_is_no_cut(name: str, time: float) -> None:
    first, second = GOES_ON[name](time)
    assert not is_cut(small(first), small(second))


@pytest.mark.parametrize("name", IS_CUT)
@pytest.mark.parametrize("time", [0.0, 0.9, 2.3])
def test_another_scene_is_a_cut(name: str, time: float) -> None:
    first, second = IS_CUT[name](time)
    assert is_cut(small(first), small(second))
