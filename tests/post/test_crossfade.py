"""Mixing two pictures, and keeping those that wait for it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from soundreel.errors import WorkError
from soundreel.post.crossfade import Crossfade, mix

LEVELS = np.arange(256, dtype=np.uint8)
FIRST = np.ascontiguousarray(np.broadcast_to(LEVELS[:, None, None], (256, 256, 3)))
SECOND = np.ascontiguousarray(np.broadcast_to(LEVELS[None, :, None], (256, 256, 3)))
"""Together every pair of levels."""


def test_the_ends_are_exact_and_the_middle_is_the_mean() -> None:
    assert np.array_equal(mix(FIRST, SECOND, Fraction(0)), FIRST)
    assert np.array_equal(mix(FIRST, SECOND, Fraction(1)), SECOND)
    total = FIRST.astype(int) + SECOND
    assert np.array_equal(mix(FIRST, SECOND, Fraction(1, 2)), (total + 1) // 2)
    assert np.array_equal(mix(FIRST, FIRST, Fraction(1, 3)), FIRST), "what is the same stays"


@pytest.mark.parametrize("share", [Fraction(1, 8), Fraction(1, 3), Fraction(700, 1001)])
def test_between_them_it_is_the_weighted_mean_to_the_nearest_level(share: Fraction) -> None:
    exact = FIRST * (1 - float(share)) + SECOND * float(share)
    off = np.abs(mix(FIRST, SECOND, share) - exact)
    assert off.max() < 0.5 + 255 / 65536
    assert mix(FIRST, SECOND, share).dtype == np.uint8


def test_what_is_held_goes_on_from_its_snapshot() -> None:
    fade, again = Crossfade(), Crossfade()
    pictures = np.random.default_rng(1).integers(0, 256, (3, 6, 4, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures, 7):
        fade.hold(number, picture)
    black = np.zeros_like(pictures[0])
    assert np.array_equal(fade.mixed(7, black, Fraction(0)), pictures[0])
    again.restore(fade.snapshot())
    for number in (8, 9):
        shown = again.mixed(number, black, Fraction(0))
        assert np.array_equal(shown, pictures[number - 7])
    assert again.snapshot() == b""
    with pytest.raises(WorkError, match="picture 8"):
        again.mixed(7, black, Fraction(0))
