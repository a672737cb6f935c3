"""Seconds <-> frames <-> samples <-> latents: the only place with this arithmetic.

All times are Fractions, so no rounding error can move a frame.
"""

from __future__ import annotations

import math
from fractions import Fraction

FRAMES_PER_LATENT = 4
"""A latent frame of the Wan VAE is 4 pictures (its temporal stride; Wan2.1 report, section 4.1)."""


def frames_for(duration: Fraction, fps: Fraction) -> int:
    """Pictures that show `duration` seconds: nothing of the sound is lost."""
    return math.ceil(duration * fps)


def frame_time(frame: int, fps: Fraction) -> Fraction:
    """Second at which picture `frame` appears, counted from the clip's start."""
    return frame / fps


def first_sample(time: Fraction, rate: int) -> int:
    """Index of the first sample at or after `time`; negative before the file begins."""
    return math.ceil(time * rate)


def samples_between(start: Fraction, end: Fraction, rate: int) -> int:
    """Samples in [start, end): those of adjoining spans add up exactly."""
    return first_sample(end, rate) - first_sample(start, rate)


def nearest_tick(time: Fraction, tick: Fraction) -> int:
    """The whole multiple of `tick` nearest to `time`, the later one of two: for formats whose times
    are coarse."""
    return math.floor(time / tick + Fraction(1, 2))


def ceil_to(count: int, grid: int) -> int:
    """The smallest multiple of `grid` that is at least `count`."""
    return -(-count // grid) * grid


def floor_to(count: int, grid: int) -> int:
    """The largest multiple of `grid` that is at most `count`."""
    return count // grid * grid


def latents_for(frames: int) -> int:
    """Latent frames that hold `frames` pictures on the 4-picture grid."""
    return ceil_to(frames, FRAMES_PER_LATENT) // FRAMES_PER_LATENT


def slots_for(latents: int) -> int:
    """Generated frames that latent frames stand for on the 4-picture grid, dropped ones included:
    the inverse of `latents_for`."""
    return FRAMES_PER_LATENT * latents


def pictures_of(latents: int) -> int:
    """Pictures that the VAE makes of latent frames: the first one gives 1, the others 4 each."""
    return FRAMES_PER_LATENT * (latents - 1) + 1


def whole_latents(pictures: int) -> int:
    """Latent frames that the VAE makes of at least one picture; up to 3 left over give none."""
    return (pictures - 1) // FRAMES_PER_LATENT + 1


def clock(seconds: float) -> str:
    """A time as a clock shows it, for people: "0:07", "1:20", "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_seconds(value: Fraction) -> str:
    """A short decimal for names and messages: 5, 4.8125, 10.35."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def format_clock(seconds: Fraction) -> str:
    """A time as people read it: 0:12.5, 1:02:03; to the microsecond."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    head = f"{hours}:{minute:02d}" if hours else f"{minute}"
    return f"{head}:{second:02d}" + (f".{micro:06d}".rstrip("0") if micro else "")
