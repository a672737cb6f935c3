"""Mixing two pictures, and keeping those that wait for it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from soundreel.errors import WorkError
from soundreel.post.crossfade import Held, mix, read_held, write_held

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


def test_what_is_held_comes_back_without_loss_and_whole(tmp_path: Path) -> None:
    held, path = Held(), tmp_path / "chunk-00000.held"
    pictures = np.random.default_rng(1).integers(0, 256, (3, 6, 4, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures, 7):
        held.hold(number, picture)
    write_held(path, held)
    again = read_held(path)
    assert [number for number in range(20) if number in again] == [7, 8, 9]
    assert all(np.array_equal(again.picture(n), pictures[n - 7]) for n in (7, 8, 9))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WorkError, match=path.name):
        read_held(path)
    path.unlink()
    with pytest.raises(WorkError, match=path.name):
        read_held(path)
