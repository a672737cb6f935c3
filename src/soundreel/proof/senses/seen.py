"""The pictures of a file as the proof needs them: one pass, a hundred bytes kept of each.

What needs many numbers of a picture (the reaction to the sound) is handed out in parts of a minute
and let go.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from soundreel.events import FrameChecked, RunControl
from soundreel.proof.senses.mouths import MouthWatch
from soundreel.types import Rgb
from soundreel.video.reader import read_shown

Floats = NDArray[np.float64]

SIDE = 320
"""Pixels of the longer side that are looked at: a face's mouth still has some twenty."""

SMALL = 96
"""Changes are measured at this size: compression's grain is averaged away."""

PART_S = 60
DETAILS = 48
CELLS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of about a minute: times (N,) on the file's clock, signals (N, K), and those of the
    mouth, where a face was seen in most of the pictures."""

    times: Floats
    signals: Floats
    mouth: Floats | None


class Seen:
    """What is kept of every picture, in their order.

    times: seconds of the file's clock.  change: mean difference from the one before, 0..255, 0
    for the first.  lab: mean L, a, b (CIE 1976, D65).  brightest: its brightest pixel, 0..255.
    structure: how much of it the one before does not explain, whatever their brightness: 0..255.
    cells: brightness on a grid of 4 x 4, bytes.
    shown: (second, picture) of some fifty, evenly over the video, small; details: their
    composition, flat.

    duration: of the video, about, in seconds.
    """

    def __init__(self, duration: float) -> None:
        self.details: list[NDArray[np.float32]] = []
        self.shown: list[tuple[float, Rgb]] = []
        self._apart = max(duration / DETAILS, 1e-3)
        self._times, self._numbers, self._cells = array("d"), array("f"), bytearray()
        self._last: NDArray[np.float32] | None = None

    def add(self, time: float, picture: Rgb) -> Floats:
        """Keep a picture; gives its signals."""
        small = _small(picture)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).mean(axis=(0, 1))
        cells = cv2.resize(grey, (CELLS, CELLS), interpolation=cv2.INTER_AREA).ravel()
        last = grey if self._last is None else self._last
        change = float(np.abs(grey - last).mean())
        self._numbers.extend((change, *lab.tolist(), float(picture.max()), _new(grey, last)))
        self._cells += cells.round().astype(np.uint8).tobytes()
        self._times.append(time)
        if time - self._times[0] >= self._apart * len(self.details):
            self.details.append(_detail(grey))
            self.shown.append((time, small))
        self._last = grey
        edges = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1)]
        chroma = float((small.max(axis=2) - small.min(axis=2)).mean())
        rest = [grey.mean(), grey.max(), np.sqrt(change), *edges, chroma]
        return np.concatenate([cells, rest]).astype(np.float64)

    @property
    def times(self) -> Floats:
        return np.array(self._times)

    @property
    def change(self) -> Floats:
        return self._column(0)

    @property
    def lab(self) -> Floats:
        return np.stack([self._column(k) for k in (1, 2, 3)], axis=1)

    @property
    def brightest(self) -> Floats:
        return self._column(4)

    @property
    def structure(self) -> Floats:
        return self._column(5)

    @property
    def cells(self) -> NDArray[np.uint8]:
        return np.frombuffer(bytes(self._cells), np.uint8).reshape(-1, CELLS * CELLS)

    @property
    def step(self) -> float:
        """The usual time from picture to picture: the mean of those near the median, since some
        containers count in coarse ticks."""
        if len(self._times) < 2:
            return 0.0
        apart = np.diff(self.times)
        usual = float(np.median(apart))
        return float(apart[np.abs(apart - usual) <= 0.25 * usual].mean())

    def _column(self, index: int) -> Floats:
        return (
            np.frombuffer(self._numbers.tobytes(), np.float32)
            .reshape(-1, 6)[:, index]
            .astype(np.float64)
        )


def watch(
    path: Path, duration: Fraction, count: int, seen: Seen, control: RunControl
) -> Iterator[Part]:
    """Read every picture once, keep it in `seen`, and give the parts as they are complete.

    duration, count: of the video, in seconds and pictures, as its header has them.
    """
    length = float(duration) / max(1, round(duration / PART_S))
    mouths, times, signals = MouthWatch(), list[float](), list[Floats]()
    for done, (exact, picture) in enumerate(read_shown(path, SIDE), 1):
        control.raise_if_cancelled()
        control.emit(FrameChecked(done, max(done, count)))
        time = float(exact)
        if times and time - times[0] >= length and float(duration) - time > length / 2:
            yield Part(np.array(times), np.array(signals), mouths.taken())
            times, signals = [], []
        mouths.look(time, picture)
        signals.append(seen.add(time, picture))
        times.append(time)
    if times:
        yield Part(np.array(times), np.array(signals), mouths.taken())


def _small(picture: Rgb) -> Rgb:
    height, width = picture.shape[:2]
    shrink = min(1.0, SMALL / max(height, width))
    size = (max(CELLS, round(width * shrink)), max(CELLS, round(height * shrink)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _detail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """What lies where: without light and shade, and coarse enough that a head may move. Mean 0."""
    small = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
    found = cv2.GaussianBlur(small, (0, 0), 2.5) - cv2.GaussianBlur(small, (0, 0), 12)
    return np.asarray(found - found.mean(), np.float32).ravel()


def _new(grey: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """Deviation of what remains of a picture when the last one, lighter or darker, is taken off."""
    one, two = grey - grey.mean(), last - last.mean()
    power = float((two * two).mean())
    share = float((one * two).mean()) / power if power > 1e-6 else 0.0
    return float(np.sqrt(np.square(one - share * two).mean()))
