"""The pictures of the new rate: picture j stands at j / fps and is that of the source which appears
then, or is made of the two around it. Across a cut, and after the last one, the earlier is held."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import cv2

from soundreel.errors import WorkError
from soundreel.events import RunControl
from soundreel.framerate.source import Source
from soundreel.post.interpolate import Between
from soundreel.types import Rgb
from soundreel.video.reader import read_frames


def count(source: Source, fps: Fraction) -> int:
    """Of an even rate and a whole multiple m of it exactly m times as many."""
    return math.ceil(source.seconds * fps)


def cuts_at(source: Source, fps: Fraction) -> list[int]:
    """The new pictures that begin a new scene."""
    return [math.ceil(source.time(cut) * fps) for cut in source.cuts]


def pictures(
    source: Source, fps: Fraction, between: Between, control: RunControl, start: int = 0
) -> Iterator[Rgb]:
    """From picture `start` of the new ones on; each depends on the source alone. Raises InputError
    or WorkError where the source cannot be read as it was before."""
    number, earlier = start, source.shown_at(start / fps)
    shown = (_fitted(rgb, source) for rgb in read_frames(source.path, earlier))
    first = next(shown, None)
    for second in shown:
        control.raise_if_cancelled()
        if first is None or earlier + 1 == len(source.stamps):
            break
        until = math.ceil(source.time(earlier + 1) * fps)
        if number < until:
            yield from _step(source, earlier, first, second, range(number, until), fps, between)
        number, earlier, first = max(number, until), earlier + 1, second
    if first is None or earlier + 1 != len(source.stamps):
        raise WorkError(
            f"{source.path} gives other pictures than before", hint="it may have changed: try again"
        )
    for _ in range(number, count(source, fps)):
        yield first


def _step(
    source: Source,
    earlier: int,
    first: Rgb,
    second: Rgb,
    wanted: range,
    fps: Fraction,
    between: Between,
) -> Iterator[Rgb]:
    """Those from the appearance of one picture of the source until the next one's."""
    if not source.goes_on(earlier):
        yield from [first] * len(wanted)
        return
    begin, end = source.time(earlier), source.time(earlier + 1)
    shares = [(number / fps - begin) / (end - begin) for number in wanted]
    if shares[0] == 0:
        yield first
    if inside := [share for share in shares if share > 0]:
        yield from between(first, second, inside)


def _fitted(picture: Rgb, source: Source) -> Rgb:
    """With square pixels, and without the last row or column of an odd number."""
    width, height = source.size
    if source.square:
        return picture[:height, :width]
    return cast(Rgb, cv2.resize(picture, (width, height), interpolation=cv2.INTER_LANCZOS4))
