"""Words as they are laid on a picture: drawn once, blended into their rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.types import Rgb
from soundreel.words.contrast import Colour, shade_for
from soundreel.words.places import Box
from soundreel.words.setting import Timed

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Line:
    """mask: (h, w), how much of a pixel is letter. plain: its colour; lit: that of what is sung, or
    spoken just now. timed: in pixels of the sheet. spoken: only what is, not all that was."""

    mask: Mask
    plain: Colour
    lit: Colour
    timed: tuple[Timed, ...] = ()
    spoken: bool = False

    @cached_property
    def letters(self) -> NDArray[np.intp]:
        """The pixels that are letter, flat."""
        return np.flatnonzero(self.mask)

    @cached_property
    def cover(self) -> NDArray[np.int32]:
        """(n, 1), of each of them."""
        return self.mask.ravel()[self.letters, None].astype(np.int32)

    def colours(self, time: Fraction) -> NDArray[np.int32]:
        """(n, 3) or (3,): theirs at that second."""
        plain = np.array(self.plain, np.int32)
        if not self.timed:
            return plain
        lit = np.zeros(self.mask.shape[1], np.int32)
        for each in self.timed:
            share = _share(each, time, self.spoken)
            _light(lit, each.begin, each.begin + (each.end - each.begin) * share)
        step = np.array(self.lit, np.int32) - plain
        row = plain + (step * lit[:, None]) // 256
        found: NDArray[np.int32] = row[self.letters % self.mask.shape[1]]
        return found


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


@dataclass(frozen=True)
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
        """Into the picture itself; of an overlay, premultiplied, with a fourth channel. time:
        seconds of the sound's own clock."""
        box = self.box
        made = self._shaded(picture[box.top : box.bottom, box.left : box.right])
        flat = made.reshape(-1, made.shape[2])
        if self.pictures is not None:
            own = self.pictures.reshape(-1, 4)
            at = np.flatnonzero(own[:, 3])
            _blend(flat, at, own[at, :3].astype(np.int32), own[at, 3:].astype(np.int32))
        for line in self.lines:
            _blend(flat, line.letters, line.colours(time), line.cover)
        picture[box.top : box.bottom, box.left : box.right] = made

    def _shaded(self, part: Rgb) -> Rgb:
        part = np.ascontiguousarray(part)
        if self.halo is None or self.ring is None:
            return part.copy()
        beneath = part.reshape(-1, part.shape[2])[self.ring]
        shade = shade_for(_on_white(beneath), self._colours, self.least_shade)
        taken = cv2.convertScaleAbs(self.halo, alpha=shade)
        keep = cv2.merge([255 - taken] * part.shape[2])
        made = cv2.multiply(part, keep, scale=1 / 255)
        made[..., 3:] = np.minimum(made[..., 3:].astype(np.uint16) + taken[..., None], 255)
        return cast(Rgb, made)

    @property
    def _colours(self) -> Sequence[Colour]:
        lit = [line.lit for line in self.lines if line.timed]
        return [_WHITE, *(line.plain for line in self.lines), *lit]


_WHITE: Colour = (255, 255, 255)


def _on_white(pixels: Mask) -> Mask:
    """What may lie beneath an overlay is unknown; the worst is white."""
    clear = 255 - pixels[:, 3:]
    return pixels[:, :3] + clear if clear.size else pixels


def _blend(
    flat: Rgb, at: NDArray[np.intp], colour: NDArray[np.int32], cover: NDArray[np.int32]
) -> None:
    """Over some pixels of (n, 3 or 4), opaque."""
    there = flat[at].astype(np.int32)
    there[:, :3] += ((colour - there[:, :3]) * cover + 127) // 255
    there[:, 3:] += ((255 - there[:, 3:]) * cover + 127) // 255
    flat[at] = there
