"""Where words stand: inside the margins, in two lines at most, none lost."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from soundreel.types import Size
from soundreel.types.words import Cue, Word
from soundreel.words.drawing import sheet_of
from soundreel.words.layout import Screen, screens_of
from soundreel.words.places import lyrics_box, safe_box
from words.written import cue_of, shaper_of

SHAPES = [Size(180, 320), Size(240, 240), Size(320, 180), Size(240, 300)]
LONG = "and the stars keep on burning for you and me never letting go of what we had before"


def screens(cue: Cue, size: Size, *, captions: bool = False) -> list[Screen]:
    return screens_of(cue, shaper_of(cue.text), size, captions)


def said(found: list[Screen]) -> str:
    return " ".join(word.text for screen in found for word in screen.words)


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("text", ["Oh", LONG, "سلام حبك كتاب سلام حبك كتاب سلام", "你好世界，" * 8])
@pytest.mark.parametrize("captions", [False, True])
def test_no_letter_lies_outside_the_margins(size: Size, text: str, captions: bool) -> None:
    safe, shaper = safe_box(size), shaper_of(text)
    for screen in screens_of(cue_of(text), shaper, size, captions):
        sheet = sheet_of(screen, shaper, size, captions)
        assert sheet is not None
        assert len(sheet.lines) <= 2
        for line in sheet.lines:
            rows, columns = np.nonzero(line.mask)
            assert safe.left <= sheet.box.left + columns.min()
            assert sheet.box.left + columns.max() < safe.right
            assert safe.top <= sheet.box.top + rows.min()
            assert sheet.box.top + rows.max() < safe.bottom


def test_a_phone_covers_more_than_a_screen() -> None:
    """The shares that the platforms and EBU R 95 name, of 1080x1920 and 1920x1080."""
    assert safe_box(Size(1080, 1920)) == (195, 288, 885, 1248)
    assert safe_box(Size(1920, 1080)) == (116, 54, 1804, 1015)
    assert lyrics_box(Size(1920, 1080)).width == 1620


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_a_long_cue_is_shown_in_parts_and_every_word_once(size: Size) -> None:
    cue = cue_of(LONG)
    found = screens(cue, size)
    assert said(found) == LONG
    assert found[0].start == cue.start
    assert found[-1].end == cue.end
    assert all(one.end == other.start and one.start < one.end for one, other in pairwise(found))


def test_parts_of_a_cue_begin_with_their_first_word() -> None:
    cue = cue_of(LONG, 0, 20, timed=True)
    found = screens(cue, SHAPES[0])
    starts = {word.text.strip(): word.start for word in cue.words}
    assert len(found) > 1
    for screen in found[1:]:
        first = min(screen.words, key=lambda word: (word.line, word.x))
        assert screen.start >= min(starts.values())
        assert any(word.start == screen.start for word in cue.words), first


def test_two_lines_are_of_about_one_length() -> None:
    (screen,) = screens(cue_of("City lights are calling out your name tonight"), Size(240, 240))
    by_line = [" ".join(w.text for w in screen.words if w.line == n) for n in (0, 1)]
    assert by_line == ["City lights are calling", "out your name tonight"]


def test_the_break_of_the_file_is_kept_where_it_fits() -> None:
    (screen,) = screens(Cue("Oh\nbaby come", Fraction(0), Fraction(1)), Size(320, 180))
    assert [word.line for word in screen.words] == [0, 1, 1]


def test_a_word_wider_than_the_picture_is_broken_not_cut() -> None:
    word = "Donaudampfschifffahrtsgesellschaftskapitänspatent"
    found = screens(Cue(word, Fraction(0), Fraction(1)), Size(180, 320))
    assert said(found).replace(" ", "") == word


def test_no_line_of_han_begins_with_a_comma() -> None:
    found = screens(Cue("你好世界，你好世界，你好世界，", Fraction(0), Fraction(1)), Size(180, 320))
    for screen in found:
        for number in (0, 1):
            words = [word for word in screen.words if word.line == number]
            assert not words or min(words, key=lambda word: word.x).text[0] != "，"


def test_captions_show_few_words_and_each_from_when_it_is_spoken() -> None:
    cue = cue_of("one two three four five six seven", 0, 7, timed=True)
    found = screens(cue, Size(320, 180), captions=True)
    assert [len(screen.words) for screen in found] == [3, 3, 1]
    assert [screen.start for screen in found] == [0, 3, 6]
    assert said(found) == cue.text


def test_captions_without_times_share_the_cue_by_letters() -> None:
    found = screens(cue_of("aa bbbb cc", 0, 8), Size(320, 180), captions=True)
    assert [word.timed[0].start for word in found[0].words] == [0, 2, 6]


def test_syllables_are_parts_of_their_word() -> None:
    times = [("gol", 0, 1), ("den ", 1, 2), ("ho", 2, 3), ("ur", 3, 4)]
    words = tuple(Word(text, Fraction(a), Fraction(b)) for text, a, b in times)
    (screen,) = screens(Cue("golden hour", Fraction(0), Fraction(4), words), Size(320, 180))
    assert [word.text for word in screen.words] == ["golden", "hour"]
    golden = screen.words[0].timed
    assert [each.until for each in golden] == [1, 2]
    assert golden[0].end == golden[1].begin
    assert 0.3 < (golden[0].end - golden[0].begin) / (golden[1].end - golden[0].begin) < 0.6


def test_a_script_that_runs_left_is_filled_from_the_right() -> None:
    (screen,) = screens(cue_of("سلام حبك", 0, 2, timed=True), Size(320, 180))
    first = next(word for word in screen.words if word.text == "سلام")
    assert first.x > min(word.x for word in screen.words)
    assert first.timed[0].begin > first.timed[0].end
