"""How light a colour is, and how far what lies beneath letters is darkened so that they are read.

Luminance and contrast are those of WCAG 2.2: (L1 + 0.05) / (L2 + 0.05), of sRGB's light. It asks
for 4.5 of text; we aim a little higher, since encoding blurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from soundreel.media.srgb import from_linear, to_linear

LEAST_CONTRAST = 4.5
_AIM = 5.2

_WEIGHTS = np.array((0.2126, 0.7152, 0.0722), np.float32)

Colour = tuple[int, int, int]


def luminance(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """0..1 of (..., 3) sRGB."""
    red, green, blue = (_light()[channel][pixels[..., channel]] for channel in range(3))
    total: NDArray[np.float32] = red + green + blue
    return total


def contrast(one: float, other: float) -> float:
    """1 to 21, of two luminances."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def shade_for(beneath: NDArray[np.uint8], letters: Sequence[Colour], least: float) -> float:
    """What share of the values of the pixels (n, 3) right beside letters of these colours must be
    taken away, at least `least`, so that even the lightest of them is dark enough."""
    if not beneath.size:
        return least
    darkest = min(float(luminance(np.array(colour, np.uint8))) for colour in letters)
    allowed = max((darkest + 0.05) / _AIM - 0.05, 1e-4)
    lightest = float(luminance(beneath).max())
    return max(least, 1 - _grey(allowed) / max(_grey(lightest), 1e-4))


def _grey(light: float) -> float:
    """The value of the grey of that luminance."""
    return float(from_linear(np.array(light)))


@lru_cache(maxsize=1)
def _light() -> NDArray[np.float32]:
    """(3, 256): what a value of each channel adds."""
    return (_WEIGHTS[:, None] * to_linear(np.arange(256) / 255)).astype(np.float32)
