"""What a video is before its rate is changed: when each picture appears, how large it is shown, and
where new scenes begin. Every picture is decoded once for this."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from soundreel.errors import InputError, mention
from soundreel.events import NodeProgress, RunControl
from soundreel.media.container import open_media
from soundreel.post.cuts import is_cut, small_size
from soundreel.record import TAG
from soundreel.types import Rgb, Size
from soundreel.video.reader import HINT, has_alpha, picture_track, read_tags

_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of high dynamic range (ITU-T H.273)."""

_LONGEST_STEP = Fraction(1, 4)
"""Seconds between two pictures of a variable rate that are motion; what stands longer, stands."""

_COARSE = 3
"""A rate is even although its times are rounded to ticks, if so many ticks lie between two."""

_FINEST_RATE = 1001
"""Denominator of the rates that are in use, as of 30000/1001."""

_TOLD_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A video whose pictures are known.

    size: as shown, upright, of square pixels, even. square: whether they were square before.
    stamps: when each picture appears, in ticks of `tick` seconds after the first; of an even rate
    0, 1, 2, ... with its period as the tick. end: ticks after which the last one is gone.
    rate: pictures a second; None where they come unevenly. starts: second of the first picture on
    the file's own clock. cuts: pictures that begin a new scene, rising. recorded: whether the cuts
    are those of the record in the file.
    """

    path: Path
    size: Size
    square: bool
    stamps: tuple[int, ...] | range
    tick: Fraction
    end: int
    rate: Fraction | None
    starts: Fraction
    cuts: tuple[int, ...]
    recorded: bool
    tags: Mapping[str, str]

    @property
    def seconds(self) -> Fraction:
        return self.end * self.tick

    def time(self, picture: int) -> Fraction:
        """Seconds after the first picture at which this one appears."""
        return self.stamps[picture] * self.tick

    def shown_at(self, time: Fraction) -> int:
        """The picture that is seen then."""
        return bisect_right(self.stamps, math.floor(time / self.tick)) - 1

    def goes_on(self, picture: int) -> bool:
        """Whether the picture moves on to the next one: no cut, no still."""
        step = self.time(picture + 1) - self.time(picture)
        at = bisect_right(self.cuts, picture + 1) - 1
        is_new_scene = at >= 0 and self.cuts[at] == picture + 1
        return not is_new_scene and (self.rate is not None or step <= _LONGEST_STEP)


def look(path: Path, control: RunControl) -> Source:
    """Raises InputError where the pictures cannot be used."""
    tags = read_tags(path)
    recorded = _recorded_cuts(tags)
    with control.stage("look at every picture"):
        seen = _see(path, control, search=recorded is None)
        if recorded is not None and recorded[0] != len(seen.stamps):  # cut by another program
            recorded, seen = None, _see(path, control, search=True)
    stamps, end = [stamp - seen.stamps[0] for stamp in seen.stamps], seen.end - seen.stamps[0]
    cuts = tuple(seen.cuts) if recorded is None else recorded[1]
    rate = _even_rate(stamps, seen.tick, seen.likely_rates)
    return Source(
        path=path,
        size=seen.size,
        square=seen.square,
        stamps=tuple(stamps) if rate is None else range(len(stamps)),
        tick=seen.tick if rate is None else 1 / rate,
        end=end if rate is None else len(stamps),
        rate=rate,
        starts=seen.stamps[0] * seen.tick,
        cuts=cuts,
        recorded=recorded is not None,
        tags=tags,
    )


@dataclass(slots=True)
class _Seen:
    """What decoding shows. stamps, end: in ticks, on the file's own clock."""

    size: Size
    square: bool
    tick: Fraction
    stamps: list[int]
    end: int
    cuts: list[int]
    likely_rates: list[Fraction]


def _see(path: Path, control: RunControl, *, search: bool) -> _Seen:
    """search: look for cuts."""
    with open_media(path, InputError, HINT) as container:
        track = picture_track(container, path)
        frames = container.decode(track)
        first = next(frames, None)
        if first is None or track.time_base is None:
            raise InputError(f"no picture can be decoded from {path}", hint=HINT)
        _require_usable(path, first, track)
        small = small_size(first.width, first.height)
        last, stamps, cuts = first, [_stamp(path, first)], list[int]()
        before = _small(first, small) if search else None
        for number, frame in enumerate(frames, 1):
            control.raise_if_cancelled()
            if (frame.width, frame.height) != (first.width, first.height):
                raise InputError(
                    f"{path} changes its size after {number} pictures",
                    hint="bring it to one size first, e.g. with ffmpeg",
                )
            stamps.append(_stamp(path, frame))
            if stamps[-1] <= stamps[-2]:
                raise InputError(
                    f"{path} shows picture {number + 1} no later than the one before it",
                    hint="its times are damaged: write it anew, e.g. with ffmpeg",
                )
            if before is not None:
                now = _small(frame, small)
                cuts += [number] if is_cut(before, now) else []
                before = now
            if number % _TOLD_FRAMES == 0:
                control.emit(NodeProgress(0, "picture", number, max(track.frames, number)))
            last = frame
        size, square = _shown_size(first, track)
        lasts = last.duration or (stamps[-1] - stamps[-2] if len(stamps) > 1 else 0)
        rates = [track.average_rate, track.guessed_rate, track.base_rate]
        return _Seen(
            size, square, track.time_base, stamps, stamps[-1] + lasts, cuts,
            [Fraction(rate.numerator, rate.denominator) for rate in rates if rate],
        )  # fmt: skip


def _require_usable(path: Path, first: VideoFrame, track: VideoStream) -> None:
    if first.color_trc in _HDR:
        raise InputError(
            f"{path} is of high dynamic range ({_HDR[first.color_trc]}), and pictures are made in "
            "8 bits of BT.709 here",
            hint="map its tones first, e.g. with ffmpeg's filters zscale and tonemap",
        )
    if has_alpha(track):
        raise InputError(
            f"{path} has alpha, which would be lost: pictures between are opaque here",
            hint="make it again at that rate: " + mention(**{"from": path.name, "fps": "RATE"}),
        )
    if first.interlaced_frame:
        raise InputError(
            f"{path} is interlaced: each of its pictures shows two moments",
            hint="deinterlace it first, e.g. with ffmpeg -vf bwdif",
        )


def _stamp(path: Path, frame: VideoFrame) -> int:
    if frame.pts is None:
        raise InputError(
            f"{path} does not say when its pictures appear",
            hint="put it into an MP4 first, e.g. with ffmpeg -c copy",
        )
    return frame.pts


def _small(frame: VideoFrame, size: tuple[int, int]) -> Rgb:
    width, height = size
    return np.asarray(frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8)


def _shown_size(frame: VideoFrame, track: VideoStream) -> tuple[Size, bool]:
    """The size as shown, and whether the pixels are square as they are."""
    width, height = frame.width, frame.height
    ratio = track.sample_aspect_ratio
    if square := not ratio or ratio == 1:
        pass
    elif ratio > 1:
        width = round(width * ratio)
    else:
        height = round(height / ratio)
    if frame.rotation % 180:
        width, height = height, width
    return Size(width // 2 * 2, height // 2 * 2), square


def _even_rate(stamps: list[int], tick: Fraction, likely_rates: list[Fraction]) -> Fraction | None:
    """The rate that all pictures keep, each to within a tick; None where they keep none."""
    if len(stamps) < 2:
        return None
    mean = Fraction(len(stamps) - 1) / (stamps[-1] * tick)
    for rate in (*likely_rates, mean.limit_denominator(_FINEST_RATE), mean):
        off = 1 if 1 / rate >= _COARSE * tick else 0
        if all(abs(stamp * tick * rate - i) <= off * tick * rate for i, stamp in enumerate(stamps)):
            return rate
    return None


def _recorded_cuts(tags: Mapping[str, str]) -> tuple[int, tuple[int, ...]] | None:
    """Number of pictures and where new shots begin, by a record of ours; None without one."""
    try:
        record: Mapping[str, Any] = json.loads(tags[TAG])
        return record["plan"]["frames"], tuple(_cuts_of(record["plan"]))
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError):
        return None


def _cuts_of(plan: Mapping[str, Any]) -> Iterator[int]:
    """In pictures of the file; where shots cross-fade none is one. Raises KeyError, TypeError or
    ValueError where it is not ours."""
    if "cuts" in plan:  # its rate was changed by us
        yield from map(int, plan["cuts"])
        return
    factor = Fraction(plan["interpolation"]["factor"])
    starts = [math.ceil(int(start) * factor) for start, _ in plan.get("shots", [])]
    if any(later <= earlier for earlier, later in pairwise(starts)):
        raise ValueError("no order")
    fades = plan.get("crossfades", [0] * len(starts))
    yield from (start for start, fade in zip(starts[1:], fades[1:], strict=True) if not fade)
