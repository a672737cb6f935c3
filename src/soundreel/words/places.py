"""Where words may stand in a picture of any shape: nothing under a phone's interface.

Sources of the margins, all as shares of the side that they are measured along:
- tall pictures (9:16): Meta's guide for Reels leaves 14 % above, 35 % below and 6 % at the sides
  free; YouTube's for Shorts 288 and 672 of 1920 lines, and 192 of 1080 columns at the right, where
  the buttons stand, which are TikTok's 140 too. The largest of each; the right one at both sides,
  so that words stand in the middle.
- all others: EBU R 95, 5 % for graphics; Meta's guide for the feed's 4:5, 64 of 1080 columns.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from soundreel.types import Size

_TALL = Fraction(2, 3)
"""Width to height; narrower pictures fill a phone, whose interface lies over them."""

_PHONE = (Fraction(15, 100), Fraction(35, 100), Fraction(18, 100))
_SCREEN = (Fraction(5, 100), Fraction(6, 100), Fraction(6, 100))
"""Above, below, at each side."""

_WIDEST = Fraction(3, 2)
"""Of the height: in a wide picture longer lines are hard to follow."""


_LOGO = Fraction(13, 100)
"""Of the shorter side."""


class Box(NamedTuple):
    """Pixels, the right and lower ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def safe_box(size: Size) -> Box:
    """What no interface and no edge of a screen covers."""
    above, below, beside = _PHONE if Fraction(size.width, size.height) < _TALL else _SCREEN
    left = -(-size.width * beside // 1)
    return Box(
        int(left),
        int(-(-size.height * above // 1)),
        size.width - int(left),
        size.height - int(-(-size.height * below // 1)),
    )


def lyrics_box(size: Size) -> Box:
    """The lower half of it, in the middle."""
    safe = safe_box(size)
    width = min(safe.width, int(size.height * _WIDEST))
    left = (size.width - width) // 2
    return Box(left, safe.top + safe.height // 2, left + width, safe.bottom)


def title_box(size: Size, beside_logo: bool) -> Box:
    """The upper part of it: cover, title and artist."""
    safe = safe_box(size)
    taken = logo_box(size).width + gap(size) if beside_logo else 0
    return Box(safe.left, safe.top, safe.right - taken, safe.top + safe.height // 4)


def logo_box(size: Size) -> Box:
    """Its upper right corner."""
    safe, side = safe_box(size), int(min(size) * _LOGO)
    return Box(safe.right - side, safe.top, safe.right, safe.top + side)


def gap(size: Size) -> int:
    """Between things that stand side by side."""
    return int(min(size) * Fraction(25, 1000))
