"""The values that travel: what a Python caller may write, and what arrives."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from soundreel import Request, SoundreelError


def test_a_request_takes_plain_names_and_numbers_exactly() -> None:
    request = Request(audio="a.wav", image="b.png", start=1, duration=10.1, fps="30000/1001")
    assert request.audio == Path("a.wav")
    assert request.image == Path("b.png")
    assert request.start == 1
    assert isinstance(request.start, Fraction)
    assert request.duration == Fraction(101, 10)
    assert request.fps == Fraction(30000, 1001)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "soon", "1/0"])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(SoundreelError, match=r"`duration=.*`: not a time"):
        Request(audio=Path("a.wav"), duration=value)  # type: ignore[arg-type]
