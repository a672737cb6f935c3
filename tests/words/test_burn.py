"""Words on the pictures of the file: on which of them, how far they are filled, what they cost."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soundreel.timeline.plan import choose_interpolation, make_plan
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request, Rgb, Size
from soundreel.types.words import Cue, Words
from soundreel.words.burn import Burn
from soundreel.words.letters.fonts import choose_fonts
from words.written import FONTS, changed, cue_of, plain

SIZE = Size(128, 96)
NTSC = Fraction(30000, 1001)


def plan_at(rate: Fraction, *, start: Fraction = Fraction(0), drawn: int = 16) -> Plan:
    request = Request(audio="a.wav", width=128, height=96, fps=rate, start=start, engine="preview")
    clip = AudioClip(Path("a.wav"), start, Fraction(10), Fraction(10), 8000, 1)
    between = choose_interpolation(request, Fraction(drawn), frozenset(), frozenset({"flow"}))
    return make_plan(request, ChunkGeometry(Fraction(drawn), 1000), clip, 10 * drawn, between)


def burn_of(plan: Plan, *cues: Cue, captions: bool = False) -> Burn:
    fonts = choose_fonts([cue.text for cue in cues], FONTS)
    return Burn(plan, Words(cues, captions, fonts=fonts))


def written(burn: Burn, count: int, ground: Rgb) -> list[int]:
    """The numbers of the pictures that something stands on."""
    return [number for number in range(count) if changed(burn(ground, number), ground).any()]


@pytest.mark.parametrize("rate", [Fraction(16), Fraction(25), NTSC, Fraction(60)], ids=str)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 3)], ids=str)
def test_a_cue_is_on_the_pictures_of_its_time_and_on_no_other(
    rate: Fraction, start: Fraction
) -> None:
    """Picture j stands at j/rate, and belongs to the cue where start <= j/rate < end."""
    begin, end = Fraction(123, 100), Fraction(2)
    plan = plan_at(rate, start=start)
    assert plan.output_fps == rate
    burn = burn_of(plan, Cue("gold", begin, end))
    expected = [j for j in range(150) if begin <= start + j / rate < end]
    assert written(burn, 150, plain(SIZE, 90)) == expected


def test_a_cue_that_begins_on_a_picture_is_on_that_picture() -> None:
    burn = burn_of(plan_at(Fraction(25)), Cue("gold", Fraction(10, 25), Fraction(20, 25)))
    assert written(burn, 40, plain(SIZE, 90)) == list(range(10, 20))


def coloured(picture: Rgb) -> NDArray[np.int_]:
    """(h, w): how far from grey; what is sung has a colour, all else here hardly any."""
    values = picture.astype(int)
    return np.asarray(np.clip(values.max(axis=2) - values.min(axis=2) - 12, 0, None))


def lit(picture: Rgb) -> int:
    return int(coloured(picture).sum())


@pytest.mark.parametrize("text", ["golden city", "سلام حبك"])
def test_karaoke_fills_steadily_and_to_the_end(text: str) -> None:
    cue = cue_of(text, 0, 2, timed=True)
    burn = burn_of(plan_at(Fraction(25)), replace(cue, end=Fraction(3)))
    filled = [lit(burn(plain(SIZE, 0), number)) for number in range(75)]
    assert filled[0] == 0
    assert all(one <= other for one, other in pairwise(filled))
    assert len(set(filled[:51])) > 40, "it moves with every picture"
    assert filled[50] == filled[74] == max(filled)


def test_half_of_a_word_is_filled_at_half_of_its_time() -> None:
    cue = replace(cue_of("mmmm", 0, 2, timed=True), end=Fraction(3))
    burn = burn_of(plan_at(Fraction(25)), cue)
    half, whole = (burn(plain(SIZE, 0), number) for number in (25, 50))
    assert lit(half) / lit(whole) == pytest.approx(0.5, abs=0.04)
    columns = np.flatnonzero(coloured(half).any(axis=0))
    everything = np.flatnonzero(coloured(whole).any(axis=0))
    assert columns[0] == everything[0], "from the left"


def test_the_word_that_is_spoken_stands_out_and_only_that() -> None:
    burn = burn_of(plan_at(Fraction(25)), cue_of("aa aa", 0, 2, timed=True), captions=True)
    first, second = (burn(plain(SIZE, 0), number) for number in (10, 40))
    centre = [np.flatnonzero(coloured(each).any(axis=0)).mean() for each in (first, second)]
    assert centre[0] < 64 < centre[1]
    assert lit(first) == pytest.approx(lit(second), rel=0.1)


def test_any_picture_can_be_made_alone_and_the_given_one_is_left_as_it_was() -> None:
    cues = [cue_of("one two", n, n + 1, timed=True) for n in range(5)]
    ground = plain(SIZE, 200)
    together = burn_of(plan_at(Fraction(25)), *cues)
    for number in range(60):
        together(ground, number)
    alone = burn_of(plan_at(Fraction(25)), *cues)
    np.testing.assert_array_equal(together(ground, 61), alone(ground, 61))
    assert (ground == 200).all()


def test_an_hour_of_words_takes_the_memory_of_a_minute() -> None:
    def peak(count: int) -> int:
        burn = burn_of(plan_at(Fraction(25)), *_many(count))
        ground = plain(SIZE, 0)
        burn(ground, 0)
        tracemalloc.start()
        for number in range(0, 25 * count, 25):
            burn(ground, number)
        made = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return made

    assert peak(50) < 1.3 * peak(8) + 200_000


def _many(count: int) -> Iterator[Cue]:
    for number in range(count):
        yield Cue(f"word {number}", Fraction(number), Fraction(number + 1))
