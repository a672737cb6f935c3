"""Every script as it is read: joined, turned, stacked, in colour; and what no font has."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from soundreel.errors import InputError
from soundreel.types.words import Font
from soundreel.words.letters import fonts, shaping
from soundreel.words.letters.fonts import PACKAGED, choose_fonts
from soundreel.words.letters.sfnt import read_face, read_faces
from soundreel.words.letters.text import cleaned, clusters, runs_left, visual_order
from words.written import FONTS, canvas_of, ink, shaper_of

ARABIC, CJK, DEVANAGARI, EMOJI = FONTS


@pytest.mark.parametrize("path", [*FONTS[:3], *(font.path for font in PACKAGED)])
def test_a_font_has_the_characters_that_freetype_draws(path: Path) -> None:
    """The oracle is FreeType: what a font lacks is drawn as its glyph 0."""
    basic = ImageFont.Layout.BASIC
    drawn = ImageFont.truetype(str(path), 24, layout_engine=basic)
    lacking = bytes(drawn.getmask("\U0010fffd"))
    found = read_face(Font(path)).chars
    tried = [*range(0x21, 0x7F), *range(0x600, 0x660), *range(0x900, 0x970), 0x4F60, 0x266A, 0x1E9E]
    for code in tried:
        if unicodedata.category(chr(code)) not in ("Cn", "Cf", "Mn"):
            has_own = bytes(drawn.getmask(chr(code))) != lacking
            assert (code in found) == has_own, hex(code)


def test_arabic_letters_join() -> None:
    """Four letters on their own are wider than the word, and their ink is in several pieces."""
    word = "حبك"
    assert ink(word, leftward=True).shape[1] < 0.8 * sum(ink(char).shape[1] for char in word)
    gaps = (ink(word, leftward=True) == 0).all(axis=0)
    assert not gaps.any(), "joined letters leave no gap"


def test_arabic_is_written_from_the_right() -> None:
    """Words that differ in their first letter differ on the right."""
    one, other = ink("كتاب", leftward=True), ink("حتاب", leftward=True)
    same = min(one.shape[1], other.shape[1]) // 2
    height = min(one.shape[0], other.shape[0])
    np.testing.assert_array_equal(
        one[:height, : same // 2] > 128, other[:height, : same // 2] > 128
    )
    assert (one[:height, -same // 2 :] != other[:height, -same // 2 :]).any()


def test_a_mark_at_the_end_of_an_arabic_word_stands_at_its_left() -> None:
    word, mark = ink("سلام!", leftward=True), ink("!")
    first_gap = int(np.argmin(word.any(axis=0)))
    assert first_gap == pytest.approx(mark.shape[1], abs=1)


def test_devanagari_makes_conjuncts_and_moves_the_vowel_before_its_letter() -> None:
    assert ink("क्ष").shape[1] < 0.75 * (ink("क").shape[1] + ink("ष").shape[1])
    letter, syllable = ink("क"), ink("कि")
    width = letter.shape[1] // 2
    body = syllable[-letter.shape[0] :, -width:]
    same = np.mean((body > 128) == (letter[:, -width:] > 128))
    assert same > 0.9, "the letter stands at the right, the vowel that is spoken after it before it"


def test_han_and_kana_come_from_a_font_that_has_them() -> None:
    assert choose_fonts(["你好"], FONTS) == (Font(CJK), PACKAGED[0])
    square = ink("世")
    assert 0.8 < square.shape[0] / square.shape[1] < 1.25


def test_emoji_are_in_colour_and_a_joined_one_is_one() -> None:
    letters, pictures = canvas_of("🔥")
    assert not letters.any()
    seen = pictures[pictures[..., 3] > 200][:, :3].astype(int)
    assert (seen.max(axis=1) - seen.min(axis=1)).mean() > 100, "no grey"
    singer = shaper_of("👩‍🎤")
    assert singer.width("👩‍🎤", 48) == pytest.approx(singer.width("👩", 48), rel=0.02)


def test_a_heart_is_in_colour_where_it_is_asked_for_as_an_emoji() -> None:
    assert canvas_of("❤️")[1].any()
    assert not canvas_of("♪")[1].any()


def test_marks_stay_with_their_letters() -> None:
    assert clusters("क्षe\u0301👩‍🎤🇩🇪🇫🇷1️⃣") == ["क्", "ष", "e\u0301", "👩‍🎤", "🇩🇪", "🇫🇷", "1️⃣"]
    assert cleaned("e\u0301 \u202e \u00ad a\tb") == "é a b"


def order_of(words: list[str]) -> list[int]:
    return [number for number, _ in visual_order(words, runs_left(" ".join(words)))]


def test_words_of_both_directions_stand_in_their_order() -> None:
    """As UAX 9 orders them: from left to right "عالم hello world 123 مرحبا" in an Arabic line."""
    words = ["مرحبا", "hello", "world", "123", "عالم"]
    assert order_of(words) == [
        4,
        1,
        2,
        3,
        0,
    ]
    words = ["say", "مرحبا", "عالم", "now"]
    assert order_of(words) == [0, 2, 1, 3]


def test_a_character_that_no_font_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_machine_faces", lambda: ())
    with pytest.raises(InputError) as caught:
        choose_fonts(["rain 雨"], [])
    assert "雨 (U+96E8, CJK UNIFIED IDEOGRAPH-96E8)" in caught.value.message
    assert "`font='FILE'`" in caught.value.hint


def test_a_font_of_the_machine_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = [face for path in FONTS for face in read_faces(path)]
    monkeypatch.setattr(fonts, "_machine_faces", lambda: tuple(machine))
    assert choose_fonts(["abc"]) == (PACKAGED[0],)
    assert choose_fonts(["abc قلب سلام".replace("قلب", "")]) == (PACKAGED[0], Font(ARABIC))
    assert choose_fonts(["12 😀"]) == (PACKAGED[0], Font(EMOJI))
    assert choose_fonts(["नमस्ते"], [DEVANAGARI]) == (Font(DEVANAGARI), PACKAGED[0])


def test_letters_that_must_join_are_not_drawn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shaping, "has_shaping", lambda: False)
    shaping.require_shaping("plain text, ελληνικά, 你好")
    with pytest.raises(InputError, match="must be joined"):
        shaping.require_shaping("سلام")


@pytest.mark.parametrize(
    "content", [b"", b"OTTO", b"\0\1\0\0" + b"\xff" * 40, b"ttcf\0\1\0\0\xff\xff\xff\xff"]
)
def test_what_is_no_font_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.ttf"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a font"):
        choose_fonts(["a"], [path])
