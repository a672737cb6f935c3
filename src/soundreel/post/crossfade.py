"""The end of a shot, kept until the next shot's beginning is mixed into it.

Mixed is what a screen is sent: the 8-bit values of the gamma-coded RGB, as editing programs do, so
that a fade goes on evenly for the eye. Done after interpolation: each shot's pictures are its own.
"""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np

from soundreel.errors import WorkError
from soundreel.post.lossless import packed, unpacked
from soundreel.types import Rgb

STEPS = 1 << 16
"""Of a weight: 0, 1/2 and 1 are exact, and every other is far finer than a level of a picture."""

_ENTRY = struct.Struct(">QQ")  # number of the picture, bytes of its PNG


class Crossfade:
    """Holds pictures by their numbers in the file; `snapshot` is what `restore` needs to go on."""

    def __init__(self) -> None:
        self._held: dict[int, bytes] = {}

    def hold(self, number: int, rgb: Rgb) -> None:
        """Keep picture `number` of the shot that ends."""
        self._held[number] = packed(rgb)

    def mixed(self, number: int, rgb: Rgb, share: Fraction) -> Rgb:
        """Picture `number` of the file: the held one and `rgb`, which has this share."""
        if number not in self._held:
            raise WorkError(
                f"picture {number + 1} of the shot that fades out is not at hand",
                hint="remove the work folder of this job, then run the same command again",
            )
        return mix(unpacked(self._held.pop(number)), rgb, share)

    def snapshot(self) -> bytes:
        return b"".join(_ENTRY.pack(n, len(png)) + png for n, png in self._held.items())

    def restore(self, state: bytes) -> None:
        """Take up a snapshot; an empty one holds nothing."""
        self._held, at = {}, 0
        while at < len(state):
            number, size = _ENTRY.unpack_from(state, at)
            at += _ENTRY.size + size
            self._held[number] = state[at - size : at]


def mix(first: Rgb, second: Rgb, share: Fraction) -> Rgb:
    """(1 - share) of the first and `share` of the second, 0 to 1, rounded to nearest: at 0 the
    first to the bit, at 1/2 the mean."""
    weight = round(share * STEPS)
    total = first.astype(np.uint32)
    total *= STEPS - weight
    total += second.astype(np.uint32) * np.uint32(weight)
    total += STEPS // 2
    return (total // STEPS).astype(np.uint8)
