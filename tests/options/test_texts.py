"""What people write: only times are taken for times, and each is read exactly."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.options import texts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90.5", Fraction(181, 2)),
        ("1:30.5", Fraction(181, 2)),
        ("1:02:03", Fraction(3723)),
        (" 7 ", Fraction(7)),
        (".25", Fraction(1, 4)),
        ("5.", Fraction(5)),
        ("0", Fraction(0)),
        ("0.1", Fraction(1, 10)),
    ],
)
def test_times_are_read_exactly(text: str, seconds: Fraction) -> None:
    assert texts.parse_time(text) == seconds


@settings(deadline=None)
@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), thousandths=st.integers(0, 59_999))
def test_a_clock_time_is_its_seconds(hours: int, minutes: int, thousandths: int) -> None:
    text = f"{hours}:{minutes:02}:{thousandths // 1000:02}.{thousandths % 1000:03}"
    assert texts.parse_time(text) == hours * 3600 + minutes * 60 + Fraction(thousandths, 1000)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", ":", "1:", ":5", "1:2:3:4", "-1", "+1", "nan", "inf", "1e5", "5s", "1,5"),
        *("1:75", "1:60:00", "0:60"),
        *("٣", "9" * 5000, "1:" + "9" * 5000, "0." + "1" * 5000),
    ],
    ids=lambda text: text[:8],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        texts.parse_time(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("16", Fraction(16)),
        ("23.976", Fraction(2997, 125)),
        ("30000/1001", Fraction(30000, 1001)),
        (" 25 ", Fraction(25)),
        ("0.5", Fraction(1, 2)),
    ],
)
def test_frame_rates_are_read_exactly(text: str, rate: Fraction) -> None:
    assert texts.parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0/5",
        "16/0",
        "16/",
        "/16",
        "-3",
        "nan",
        "inf",
        "1_6",
        "1e99999999",
        "٣",
        "9" * 5000,
    ],
    ids=lambda text: text[:8],
)
def test_what_is_no_frame_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a frame rate"):
        texts.parse_rate(text)


@settings(deadline=None)
@given(text=st.text(max_size=20))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for parse in (texts.parse_time, texts.parse_rate):
        with suppress(ValueError):
            assert parse(text) >= 0


def test_a_prompt_in_another_encoding_is_a_prompt() -> None:
    """As Python hands on the bytes "caf\xe9" of a command line."""
    assert texts.read_text(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\ufffd"
    with pytest.raises(ValueError):
        texts.read_text("\ud800")
