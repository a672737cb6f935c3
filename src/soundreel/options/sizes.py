"""What people write for the size of a picture: 1080p, reel, 9:16, 16:9@720, 832x1216."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

MIN_SIDE, MAX_SIDE = 16, 4096
SIDE_RULE = f"an even number from {MIN_SIDE} to {MAX_SIDE}"

_SHORT_SIDE = 1080
"""Of a shape without a number."""

_SHAPES: Mapping[str, tuple[Fraction, Fraction]] = {
    "reel": (Fraction(9), Fraction(16)),
    "short": (Fraction(9), Fraction(16)),
    "portrait": (Fraction(4), Fraction(5)),
    "square": (Fraction(1), Fraction(1)),
    "wide": (Fraction(16), Fraction(9)),
}
_LINES = {"4k": 2160}

SIZE_WORDS = ("720p", "1080p", "4k", *_SHAPES)

_PAIR = re.compile(r"(\d{1,9})\s*[x*]\s*(\d{1,9})", re.ASCII | re.IGNORECASE)
_WIDE = re.compile(r"(\d{2,5})p", re.ASCII | re.IGNORECASE)
_NUMBER = r"\d{1,4}(?:\.\d{1,4})?"
_SHAPE = re.compile(
    rf"(?:([a-z]+)|({_NUMBER}):({_NUMBER}))(?:@(\d{{1,9}}))?", re.ASCII | re.IGNORECASE
)
_RULE = f"not a size: write e.g. 832x1216, 9:16, wide@720, {', '.join(SIZE_WORDS)}"


def within_bounds(value: tuple[int, int]) -> tuple[int, int]:
    """A size that a video may have. Raises ValueError."""
    if any(side % 2 or not MIN_SIDE <= side <= MAX_SIDE for side in value):
        raise ValueError(f"both sides are {SIDE_RULE}")
    return value


class Size(NamedTuple):
    """Pixels across and down."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def area(self) -> int:
        return self.width * self.height

    def halved(self) -> Size:
        """Half of each side, even: a quarter of the pixels."""
        return Size(*(max(MIN_SIDE, side // 4 * 2) for side in self))

    def inside(self, shape: Size) -> Size:
        """The largest size of that shape that lies in this one, to the pixel."""
        if self.width * shape.height > self.height * shape.width:
            return Size(max(1, round(self.height * shape.width / shape.height)), self.height)
        return Size(self.width, max(1, round(self.width * shape.height / shape.width)))


def read_size(value: object) -> tuple[int, int]:
    """Width and height from a word, a text or two numbers."""
    if isinstance(value, str):
        return parse_size(value.strip())
    if isinstance(value, (tuple, list)) and len(value) == 2:
        width, height = value
        if type(width) is int and type(height) is int:
            return width, height
    raise ValueError(_RULE)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height; the number behind a shape, or before p, is the shorter side."""
    if match := _PAIR.fullmatch(text):
        return int(match[1]), int(match[2])
    if match := _WIDE.fullmatch(text):
        return _shaped(*_SHAPES["wide"], int(match[1]))
    if text.lower() in _LINES:
        return _shaped(*_SHAPES["wide"], _LINES[text.lower()])
    if match := _SHAPE.fullmatch(text):
        word, across, down, side = match.groups()
        shape = _SHAPES.get(word.lower()) if word else (Fraction(across), Fraction(down))
        if shape and min(shape):
            return _shaped(*shape, int(side or _SHORT_SIDE))
    raise ValueError(_RULE)


def _shaped(across: Fraction, down: Fraction, side: int) -> tuple[int, int]:
    """A picture of that shape and shorter side; the longer one is rounded to an even number."""
    longer = 2 * round(side * max(across, down) / min(across, down) / 2)
    return (longer, side) if across > down else (side, longer)
