"""An output picture of the size of the file, out of one of the size that was drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from soundreel.media.image import load_image
from soundreel.types import Plan, Request, Rgb, Size
from soundreel.words.burn import Burn

_SAME_SHAPE = Fraction(2, 100)
"""Shapes that differ by less are cropped, whatever was asked for: the bars would be lines."""

_BLACK, _WHITE = (0, 0, 0, 255), (255, 255, 255, 255)

_BACKDROP_SHRINK = 8
_BACKDROP_LIGHT = 0.6
"""Behind the picture stands itself, seen through frosted glass, so dark that it stands back."""


def make_finish(plan: Plan) -> Callable[[Rgb, int], Rgb]:
    """What is done to every picture of the file, given with its number, before it is encoded."""
    source, target = plan.drawn_size, plan.request.output_size
    how = "crop" if same_shape(source, target) else plan.request.fit_output
    burn = None if plan.words is None else Burn(plan, plan.words)

    def finish(picture: Rgb, number: int) -> Rgb:
        fitted = picture if source == target else _FITS[how](picture, target)
        written = fitted if burn is None else burn(fitted, number)
        return _marked(written) if plan.request.draft else written

    return finish


def given_picture(path: Path, request: Request) -> Rgb:
    """A picture that a video shall show, (height, width, 3) as `request` has them: it is brought
    into another shape as `fit_output` says. Raises InputError."""
    picture = load_image(path)
    target = Size(request.width, request.height)
    source = Size(picture.shape[1], picture.shape[0])
    how = "crop" if same_shape(source, target) else request.fit_output
    return picture if source == target else _FITS[how](picture, target)


def same_shape(source: Size, target: Size) -> bool:
    """Whether so little is cropped that nothing else is worth doing."""
    one, other = source.width * target.height, source.height * target.width
    return Fraction(max(one, other), min(one, other)) - 1 < _SAME_SHAPE


def crop(picture: Rgb, target: Size) -> Rgb:
    """Covers the target; what stands over at both sides is cut."""
    height, width = picture.shape[:2]
    covered = Size(width, height).inside(target)
    left, top = (width - covered.width) // 2, (height - covered.height) // 2
    return _scaled(picture[top : top + covered.height, left : left + covered.width], target)


def pad(picture: Rgb, target: Size) -> Rgb:
    """The whole picture, with black bars at two sides, clear ones of an overlay."""
    return _on(np.zeros((target.height, target.width, picture.shape[2]), np.uint8), picture, target)


def blur(picture: Rgb, target: Size) -> Rgb:
    """The whole picture, on a blurred and darker one of itself."""
    small = Size(*(max(2, side // _BACKDROP_SHRINK) for side in target))
    soft = cv2.GaussianBlur(crop(picture, small), (0, 0), max(1.0, min(small) / 12))
    dark = cv2.convertScaleAbs(soft, alpha=_BACKDROP_LIGHT)
    return _on(cast(Rgb, cv2.resize(dark, tuple(target))), picture, target)


Fit = Callable[[Rgb, Size], Rgb]
_FITS: Mapping[str, Fit] = {"crop": crop, "pad": pad, "blur": blur}


def _on(canvas: Rgb, picture: Rgb, target: Size) -> Rgb:
    height, width = picture.shape[:2]
    inner = target.inside(Size(width, height))
    left, top = (target.width - inner.width) // 2, (target.height - inner.height) // 2
    canvas[top : top + inner.height, left : left + inner.width] = _scaled(picture, inner)
    return canvas


def _scaled(picture: Rgb, target: Size) -> Rgb:
    """Smaller by the mean of the pixels that fall together, larger by Lanczos' filter."""
    larger = target.width > picture.shape[1] or target.height > picture.shape[0]
    how = cv2.INTER_LANCZOS4 if larger else cv2.INTER_AREA
    return cast(Rgb, cv2.resize(picture, tuple(target), interpolation=how))


def _marked(picture: Rgb) -> Rgb:
    """With the word DRAFT in the lower left corner, readable on any picture."""
    picture = picture.copy()
    side = min(picture.shape[:2])
    scale, thick = max(0.35, side / 700), max(1, side // 300)
    place = (max(2, side // 40), picture.shape[0] - max(3, side // 30))
    for colour, width in ((_BLACK, 3 * thick), (_WHITE, thick)):
        cv2.putText(
            picture, "DRAFT", place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width, cv2.LINE_AA
        )
    return picture
