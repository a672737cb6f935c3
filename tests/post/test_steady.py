"""Long takes keep the look of their first part; what a take does anyway is left alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from soundreel.media.oklab import from_oklab, to_oklab
from soundreel.post.steady import Steady
from soundreel.types import Rgb
from steady_takes import CHUNK, DRIFTS, RATE, chunks_of, drift_left, psnr, scene, show

PARTS = 24  # two minutes


@pytest.fixture(scope="module")
def clean() -> list[Rgb]:
    return [scene(at) for at in range(PARTS * CHUNK)]


def test_oklab_knows_published_colours() -> None:
    """White, and red as CSS Color 4 gives it: oklab(62.796% 0.22486 0.12585)."""
    assert np.allclose(to_oklab(np.ones(3)), [1, 0, 0], atol=1e-4)
    assert np.allclose(to_oklab(np.array([1.0, 0, 0])), [0.62796, 0.22486, 0.12585], atol=1e-4)
    grid = np.random.default_rng(0).random((500, 3))
    assert np.allclose(from_oklab(to_oklab(grid)), grid, atol=1e-6)


@pytest.mark.parametrize("kind", DRIFTS)
def test_nine_tenths_of_a_drift_are_gone(kind: str, clean: list[Rgb]) -> None:
    chunks, end = chunks_of(PARTS), len(clean)
    drifted = [DRIFTS[kind](rgb, at / end) for at, rgb in enumerate(clean)]
    shown = show(Steady(chunks, True, Fraction(RATE)), chunks, drifted)
    assert all(one is other for one, other in zip(shown[:CHUNK], drifted[:CHUNK], strict=True))
    assert drift_left(kind, clean, shown) < 0.1 * drift_left(kind, clean, drifted)


def test_a_take_without_drift_stays_as_it_is(clean: list[Rgb]) -> None:
    chunks = chunks_of(PARTS)
    shown = show(Steady(chunks, True, Fraction(RATE)), chunks, clean)
    assert psnr(np.stack(clean), np.stack(shown)) >= 40


def test_a_pulse_with_the_sound_is_no_drift(clean: list[Rgb]) -> None:
    """A look that flashes with each beat, and more in the chorus."""
    chunks = chunks_of(6)
    beats = [40.0 * (at % 5 == 0) + 15 * np.sin(at / 3) for at in range(6 * CHUNK)]
    pictures = [
        np.clip(rgb + beat, 0, 255).astype(np.uint8)
        for rgb, beat in zip(clean, beats, strict=False)
    ]
    shown = show(Steady(chunks, True, Fraction(RATE)), chunks, pictures)
    assert psnr(np.stack(pictures), np.stack(shown)) >= 40
    assert min(map(psnr, pictures, shown)) >= 36


def test_colour_alone_leaves_sharpness(clean: list[Rgb]) -> None:
    chunks, end = chunks_of(8), 8 * CHUNK
    drifted = [DRIFTS["softer"](clean[at], at / end) for at in range(end)]
    shown = show(Steady(chunks, False, Fraction(RATE)), chunks, drifted)
    left = drift_left("softer", clean[:end], shown)
    assert left > 0.9 * drift_left("softer", clean[:end], drifted)


def test_a_shot_and_a_prompt_begin_anew(clean: list[Rgb]) -> None:
    """Their first parts are left as they are, whatever was before."""
    a, b, c, d = chunks_of(4)
    chunks = [a, b, replace(c, prompt="night"), replace(d, shot=1, prompt="night")]
    darker = [DRIFTS["brightness"](clean[at], (at // CHUNK) / 3) for at in range(4 * CHUNK)]
    shown = show(Steady(chunks, True, Fraction(RATE)), chunks, darker)
    same = [shown[at] is darker[at] for at in (0, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK)]
    assert same == [True, False, True, True]


def test_a_snapshot_goes_on_to_the_bit(clean: list[Rgb]) -> None:
    chunks, end = chunks_of(4), 4 * CHUNK
    drifted = [DRIFTS["hue"](clean[at], at / end) for at in range(end)]
    whole = show(Steady(chunks, True, Fraction(RATE)), chunks, drifted)
    for split in (1, 2, 3):
        first = Steady(chunks, True, Fraction(RATE))
        show(first, chunks[:split], drifted)
        later = Steady(chunks, True, Fraction(RATE))
        later.restore(first.snapshot())
        rest = show(later, chunks[split:], drifted)
        assert all(map(np.array_equal, rest, whole[split * CHUNK :]))


def test_fading_to_black_is_not_turned_back(clean: list[Rgb]) -> None:
    """More than a drift can be is corrected by what a drift can be, so black stays dark."""
    chunks, end = chunks_of(3), 3 * CHUNK
    fade = np.clip(2 - np.arange(end) / CHUNK, 0, 1)
    pictures = [(clean[at] * fade[at]).astype(np.uint8) for at in range(end)]
    shown = show(Steady(chunks, True, Fraction(RATE)), chunks, pictures)
    assert shown[-1].max() < 60
