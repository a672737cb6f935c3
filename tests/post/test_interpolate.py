from __future__ import annotations

from fractions import Fraction
from typing import cast

import cv2
import numpy as np
import pytest

from soundreel.errors import WorkError
from soundreel.post.flow import between
from soundreel.post.interpolate import LOCAL_METHODS, Interpolator
from soundreel.types import Rgb
from video_factory import moving_scene, psnr, texture

SIZE = (208, 304)


def scene(count: int, step: float = 1 / 32) -> list[Rgb]:
    return [moving_scene(index * step) for index in range(count)]


def blended(first: Rgb, second: Rgb) -> Rgb:
    return cast(Rgb, cv2.addWeighted(first, 0.5, second, 0.5, 0))


def by(factor: int) -> Interpolator:
    return Interpolator(Fraction(factor), 1000)


def evenly(first: Rgb, second: Rgb, count: int) -> list[Rgb]:
    return between(first, second, [Fraction(i + 1, count + 1) for i in range(count)])


def run(frames: list[Rgb], factor: int, following: Rgb | None = None) -> list[Rgb]:
    interpolator = by(factor)
    shown = [picture for k, frame in enumerate(frames) for picture in interpolator.push(frame, k)]
    return shown + interpolator.finish(following)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_n_pictures_become_n_times_m_and_keep_their_places(factor: int, count: int) -> None:
    frames = scene(count)
    shown = run(frames, factor)
    assert len(shown) == count * factor
    for index, frame in enumerate(frames):
        assert np.array_equal(shown[index * factor], frame)


def test_without_a_following_picture_the_last_is_repeated() -> None:
    frames = scene(2)
    assert all(np.array_equal(picture, frames[-1]) for picture in run(frames, 4)[-3:])


def test_a_following_picture_is_walked_towards_and_not_shown() -> None:
    frames = scene(3)
    shown = run(frames[:2], 2, following=frames[2])
    assert len(shown) == 4
    assert np.array_equal(shown[3], run(frames, 2)[3])
    assert not np.array_equal(shown[3], frames[1])


def test_a_factor_of_one_changes_nothing() -> None:
    frames = scene(3)
    assert [id(picture) for picture in run(frames, 1)] == [id(frame) for frame in frames]


def test_going_on_from_a_snapshot_equals_one_run() -> None:
    frames = scene(5)
    interpolator, shown = by(3), []
    for index, frame in enumerate(frames):
        shown += interpolator.push(frame, index)
        state = interpolator.snapshot()
        interpolator = by(3)
        interpolator.restore(state)
    shown += interpolator.finish(None)
    assert all(np.array_equal(one, other) for one, other in zip(shown, run(frames, 3), strict=True))


def test_the_state_before_the_first_picture_can_be_saved_too() -> None:
    interpolator = by(2)
    interpolator.restore(by(2).snapshot())
    assert len(interpolator.push(scene(1)[0], 0)) == 1
    interpolator.restore(b"")
    assert interpolator.finish(None) == []


def test_a_new_shot_begins_after_finish() -> None:
    interpolator = by(2)
    first, second = scene(2)
    assert len(interpolator.push(first, 0)) == 1
    interpolator.finish(None)
    assert len(interpolator.push(second, 1)) == 1


def test_a_damaged_state_is_a_clear_error() -> None:
    for damaged in (b"not a picture", b"short"):
        with pytest.raises(WorkError, match="damaged"):
            by(2).restore(damaged)


def test_flow_is_offered() -> None:
    assert "flow" in LOCAL_METHODS


def test_flow_beats_a_blend_by_far_on_dropped_pictures() -> None:
    flow, blend = [], []
    for start in (0.0, 0.37, 0.74, 1.11):
        first, dropped, last = (moving_scene(start + step / 32) for step in range(3))
        flow.append(psnr(evenly(first, last, 1)[0], dropped))
        blend.append(psnr(blended(first, last), dropped))
    assert np.mean(flow) > 34
    assert min(flow) > 32
    assert np.mean(flow) > np.mean(blend) + 9


def test_pictures_between_follow_time_evenly() -> None:
    truth = [moving_scene(0.4 + step / 64) for step in range(5)]
    found = evenly(truth[0], truth[4], 3)
    for index, picture in enumerate(found):
        scores = [psnr(picture, candidate) for candidate in truth]
        assert int(np.argmax(scores)) == index + 1


def test_what_only_one_picture_shows_is_taken_from_it() -> None:
    gains = []
    for seed in (5, 15, 25):
        back, front = texture(*SIZE, seed=seed), texture(*SIZE, seed=seed + 1)
        first, truth, second = (_patch_at(x, back, front) for x in (60, 64, 68))
        flow, blend = evenly(first, second, 1)[0], blended(first, second)
        assert psnr(flow, truth) > 33
        for left in (60, 124):  # just uncovered, just about to be covered
            place = slice(100, 200), slice(left, left + 4)
            gains.append(psnr(flow[place], truth[place]) - psnr(blend[place], truth[place]))
    assert np.mean(gains) > 3


def _patch_at(x: int, back: Rgb, front: Rgb) -> Rgb:
    picture = back.copy()
    picture[100:200, x : x + 60] = front[100:200, :60]
    return picture


def test_what_a_pan_brings_in_comes_from_the_picture_that_has_it() -> None:
    field = texture(320, 304, seed=11)
    first, truth, second = (np.ascontiguousarray(field[:, x : x + 208]) for x in (50, 58, 66))
    found = evenly(first, second, 1)[0]
    for columns in (slice(0, 12), slice(-12, None)):
        assert psnr(found[:, columns], truth[:, columns]) > 29


def test_at_a_cut_nothing_is_mixed() -> None:
    before, after = texture(*SIZE, seed=3), texture(*SIZE, seed=4)
    shown = evenly(before, after, 3)
    for picture, expected in zip(shown, (before, before, after), strict=True):
        assert np.array_equal(picture, expected)


def test_a_change_of_brightness_is_no_cut() -> None:
    bright = moving_scene(0.5)
    dark = (bright * 0.5).astype(np.uint8)
    middle = evenly(bright, dark, 1)[0]
    assert psnr(middle, (bright * 0.75).astype(np.uint8)) > 30


def test_a_glow_on_a_smooth_background_tears_nothing() -> None:
    random = np.random.default_rng(1)
    soft = cv2.GaussianBlur(texture(*SIZE, seed=3), (0, 0), 12)
    y, x = np.mgrid[0:304, 0:208]
    glow = np.exp(-(((x - 60) / 50) ** 2 + ((y - 90) / 70) ** 2))[..., None]

    def lit(step: float) -> Rgb:
        light = soft * (1 - 0.25 * step) + 30 * step * glow + random.normal(0, 1, soft.shape)
        return np.clip(light, 0, 255).round().astype(np.uint8)

    assert psnr(evenly(lit(0), lit(2), 1)[0], lit(1)) > 40


def test_motion_is_found_while_the_light_fades() -> None:
    pictures = [
        (moving_scene(0.3 + step / 32) * (1 - 0.25 * step)).astype(np.uint8) for step in range(3)
    ]
    blend = blended(pictures[0], pictures[2])
    flow = evenly(pictures[0], pictures[2], 1)[0]
    assert psnr(flow, pictures[1]) > psnr(blend, pictures[1]) + 6


def test_equal_pictures_give_the_same_picture() -> None:
    for picture in (moving_scene(0.1), np.full((304, 208, 3), 77, np.uint8)):
        assert all(np.array_equal(found, picture) for found in evenly(picture, picture, 2))


@pytest.mark.parametrize("size", [(16, 16), (16, 512), (18, 34)])
def test_small_and_narrow_pictures_work(size: tuple[int, int]) -> None:
    first, second = texture(*size, seed=1), texture(*size, seed=2)
    assert [picture.shape for picture in evenly(first, second, 2)] == [first.shape] * 2


def test_flow_is_the_same_on_any_number_of_threads() -> None:
    first, second = moving_scene(0.2), moving_scene(0.26)
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 2, 5):
            cv2.setNumThreads(count)
            results.append(evenly(first, second, 1)[0])
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(results[0], other) for other in results[1:])
