"""Which jumps of a file's time stamps are silence in its sound.

What decodes counts. Stamps are rounded, jitter from frame to frame, run a little faster or slower
than the samples (the clock of a cheap recorder): none of that moves anything. Only a jump against
the end of the frame before is missing sound, and it is filled with silence as soon as more than a
tenth of a second of it has gathered, as FFmpeg's `aresample=async=1` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

GAP_S = Fraction(1, 10)
"""FFmpeg's min_hard_comp."""

SEAM_S = 10
"""Where a clock may start anew (MPEG-TS, FLV, Ogg, live), a larger jump is a seam between two
recordings, not silence: FFmpeg's dts_delta_threshold."""

LONGEST_GAP_S = 30 * 3600
"""No jump beyond this is silence: FFmpeg's dts_error_threshold."""


@dataclass(frozen=True, slots=True)
class TimeLine:
    """From time stamps, counted in `base` seconds, to samples behind the moment `start`."""

    rate: int
    base: Fraction
    start: Fraction

    def position(self, stamp: int) -> int:
        """The sample nearest to the stamp's moment."""
        ticks, zero, scale = self._ratio()
        return (2 * (stamp * ticks - zero) + scale) // (2 * scale)

    def positions(self, stamps: NDArray[np.int64]) -> NDArray[np.int64]:
        ticks, zero, scale = self._ratio()
        largest = 2 * ticks * int(np.abs(stamps).max(initial=0)) + 2 * abs(zero) + scale
        exact = stamps if largest < 1 << 62 else stamps.astype(object)
        return ((2 * (exact * ticks - zero) + scale) // (2 * scale)).astype(np.int64)

    def _ratio(self) -> tuple[int, int, int]:
        """(samples a tick, samples at the start), both in so many parts of a sample."""
        per_tick, offset = self.tick, self.start * self.rate
        scale = math.lcm(per_tick.denominator, offset.denominator)
        return int(per_tick * scale), int(offset * scale), scale

    @property
    def tick(self) -> Fraction:
        """Samples in one unit of the stamps."""
        return self.base * self.rate


@dataclass
class Clock:
    """Counts samples; all numbers are samples at the sound's rate.

    may_jump: the format's clock may start anew.   stated: the whole length by the file's header.
    tick: one unit of the stamps, rounded up.
    position: behind the last frame; due: where that frame ends by its own stamp.
    seams: positions where the stamps jumped and nothing was put in.
    """

    rate: int
    may_jump: bool = False
    stated: int = 0
    tick: int = 0
    position: int = 0
    due: int = 0
    seams: list[int] = field(default_factory=list)
    _shift: int = 0  # from a stamp to the position that it means
    _owed: int = 0  # what real jumps add up to since silence was put in

    def gap(
        self, stamp: int | None, samples: int, following: int | None = None, *, lost: bool = False
    ) -> int:
        """The silence in front of a frame of `samples`; goes on to the frame's end.

        stamp: the frame's own, as a position, where it has one; following: the next frame's.
        lost: packets before it did not decode, so that any gap is real.
        """
        place = self.due if stamp is None else stamp + self._shift
        if self._is_slip(place, samples, following):
            place = self.due
        jump = place - self.due
        if self._is_seam(place, jump):
            self.seams.append(self.position)
            self._shift += self.position - place
            self._owed, place, jump = 0, self.position, 0
        missing = self._missing(place, jump, samples, 0 if lost else self.gap_samples)
        self.position += missing + samples
        self.due = place + samples
        return missing

    def skip(self, samples: int) -> None:
        """Go past a packet of so many samples that did not decode."""
        self.position += samples
        self.due += samples

    def moved(self, position: int, due: int) -> Clock:
        """A copy that stands elsewhere."""
        return replace(self, position=position, due=due, seams=list(self.seams))

    def copy(self) -> Clock:
        return self.moved(self.position, self.due)

    @property
    def gap_samples(self) -> int:
        """Less is not filled."""
        return self.rate * GAP_S.numerator // GAP_S.denominator

    def _is_slip(self, place: int, samples: int, following: int | None) -> bool:
        """A single stamp that is wrong: the frame after it stands as if nothing had been."""
        if following is None or abs(place - self.due) <= self.gap_samples:
            return False
        return abs(following + self._shift - self.due - samples) <= self.gap_samples

    def _is_seam(self, place: int, jump: int) -> bool:
        if jump < -self.gap_samples or jump > LONGEST_GAP_S * self.rate:
            return True
        doubtful = self.may_jump or place > self.stated + self.rate
        return doubtful and jump > SEAM_S * self.rate

    def _missing(self, place: int, jump: int, samples: int, least: int) -> int:
        """More than jitter and drift is three quarters of a frame, or a tenth of a second."""
        if abs(jump) >= max(min(samples * 0.75, self.gap_samples), self.tick * 1.5):
            self._owed += jump
        behind = place - self.position
        drifted = abs(behind - self._owed) > self.gap_samples / 2
        missing = self._owed if drifted else behind
        if missing <= least:
            return 0
        self._owed = 0
        return missing
