"""Words as they are laid on a picture: drawn once, blended into their rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb
from soundreel.words.contrast import Colour, shade_for
from soundreel.words.places import Box
from soundreel.words.setting import Timed

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Line:
    """mask: (h, w), how much of a pixel is letter. plain: its colour; lit: that of what is sung, or
    spoken just now. timed: in pixels of the sheet. spoken: only what is, not all that was."""

    mask: Mask
    plain: Colour
    lit: Colour
    timed: tuple[Timed, ...] = ()
    spoken: bool = False

    def colours(self, time: Fraction) -> NDArray[np.int32]:
        """(w, 3) or (3,): of the letters at that second."""
        plain = np.array(self.plain, np.int32)
        if not self.timed:
            return plain
        lit = np.zeros(self.mask.shape[1], np.int32)
        for each in self.timed:
            share = _share(each, time, self.spoken)
            _light(lit, each.begin, each.begin + (each.end - each.begin) * share)
        step = np.array(self.lit, np.int32) - plain
        return plain + (step * lit[:, None]) // 256


def _share(timed: Timed, time: Fraction, spoken: bool) -> float:
    """How much of a part is lit."""
    if spoken:
        return float(timed.start <= time < timed.until)
    if time >= timed.until:
        return 1.0
    return float(max(time - timed.start, Fraction(0)) / max(timed.until - timed.start, Fraction(1)))


def _light(lit: NDArray[np.int32], begin: float, end: float) -> None:
    """Columns from one border to the other, those at the borders in part (of 256)."""
    left, right = sorted((begin, end))
    columns = np.arange(len(lit))
    cover = np.clip(right - columns, 0, 1) - np.clip(left - columns, 0, 1)
    np.maximum(lit, np.minimum(lit + np.round(cover * 256), 256), out=lit, casting="unsafe")


@dataclass(frozen=True, slots=True)
class Sheet:
    """box: where it lies in the picture. halo: (h, w), where it is darkened, 255 beside letters.
    ring: those pixels, flat, by which is measured how far; None where nothing is darkened.
    pictures: (h, w, 4) with colours of their own, or None."""

    box: Box
    lines: tuple[Line, ...]
    halo: Mask | None = None
    ring: NDArray[np.intp] | None = None
    pictures: Mask | None = None
    least_shade: float = 0.0

    def lay(self, picture: Rgb, time: Fraction) -> None:
        """Into the picture itself. time: seconds of the sound's own clock."""
        box = self.box
        part = picture[box.top : box.bottom, box.left : box.right]
        made = self._shaded(part)
        if self.pictures is not None:
            _blend(made, self.pictures[..., :3].astype(np.int32), self.pictures[..., 3])
        for line in self.lines:
            _blend(made, line.colours(time), line.mask)
        part[:] = made

    def _shaded(self, part: Rgb) -> NDArray[np.int32]:
        made = part.astype(np.int32)
        if self.halo is None or self.ring is None:
            return made
        shade = shade_for(part.reshape(-1, 3)[self.ring], self._colours, self.least_shade)
        keep = 65536 - (self.halo.astype(np.int32) * round(shade * 65536)) // 255
        made *= keep[..., None]
        made >>= 16
        return made

    @property
    def _colours(self) -> Sequence[Colour]:
        return [colour for line in self.lines for colour in (line.plain, line.lit)] or [(255,) * 3]


def _blend(made: NDArray[np.int32], colour: NDArray[np.int32], cover: Mask) -> None:
    step = (colour - made) * cover[..., None].astype(np.int32)
    made += (step + 127) // 255
