"""Foreign text cannot move the cursor, forge a line or hide its order."""

from __future__ import annotations

import json
import unicodedata

import pytest

from soundreel.errors import InputError
from soundreel.events import Notice, StageStarted
from soundreel.safe.text import harmless, json_text, shown

EVIL = "a\x1b]0;title\x07b\x9b31mc\u202egnp.\u2066d\x08\x7fe\U000e0041f\udcff\xadg"


def acting(text: str) -> list[str]:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [char for char in text if unicodedata.category(char) in kinds and char not in "\n\u200d"]


def test_what_acts_becomes_an_escape() -> None:
    assert harmless("a\x1b[31m.wav") == r"a\x1b[31m.wav"
    assert harmless("\u202egnp.exe") == r"\u202egnp.exe"
    assert not acting(harmless(EVIL))
    assert harmless(harmless(EVIL)) == harmless(EVIL)


@pytest.mark.parametrize(
    "text", ["Łódź — 東京.wav", "👩‍👩‍👧", "שלום", "نص عربي", "e\u0301", "a\\x1b"]
)
def test_what_people_write_stays(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028"])
def test_a_later_line_cannot_pass_for_a_message_of_its_own(line_break: str) -> None:
    text = harmless(f"a{line_break}error: your disk is full")
    assert text == "a\n    error: your disk is full"
    assert harmless(text) == text


def test_json_is_harmless_and_exact() -> None:
    value = {EVIL: [EVIL, 1.5, None, {"東京": "👩‍👩‍👧\n\u2028"}]}
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert not acting(text)
        assert json.loads(text) == value
        assert "東京" in text


def test_a_message_is_bounded() -> None:
    assert len(shown("x" * 10_000_000)) < 21_000
    assert "9,980,000 more characters" in shown("x" * 10_000_000)


def test_errors_and_events_are_fit_to_print() -> None:
    error = InputError(f"no file {EVIL}", hint=EVIL)
    assert not acting(f"{error}{error.message}{error.hint}")
    assert not acting(Notice(EVIL).message + StageStarted(EVIL).stage)
