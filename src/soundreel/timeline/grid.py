"""Seconds <-> frames <-> samples <-> latents: the only place with this arithmetic.

All times are Fractions, so no rounding error can move a frame.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from soundreel.errors import InputError

FRAMES_PER_LATENT = 4
"""A latent frame of the Wan VAE is 4 pictures (its temporal stride; Wan2.1 report, section 4.1)."""

_NUMBER = r"\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}"
_CLOCK = re.compile(rf"(?:(?:(\d{{1,9}}):)?(\d{{1,9}}):)?({_NUMBER})", re.ASCII)
_RATE = re.compile(rf"(?:{_NUMBER})|\d{{1,9}}/\d{{1,9}}", re.ASCII)


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


def ceil_to(count: int, grid: int) -> int:
    """The smallest multiple of `grid` that is at least `count`."""
    return -(-count // grid) * grid


def latents_for(frames: int) -> int:
    """Latent frames that hold `frames` pictures on the 4-picture grid."""
    return ceil_to(frames, FRAMES_PER_LATENT) // FRAMES_PER_LATENT


def parse_time(text: str) -> Fraction:
    """Seconds from "90.5", "1:30.5" or "1:02:03". Raises InputError."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or (":" in text and not _is_clock(*match.groups())):
        raise InputError(
            f"{text!r} is not a time",
            hint="write seconds or a clock time, 0 or later: 90.5, 1:30.5, 1:02:03",
        )
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds.rstrip("."))


def _is_clock(hours: str | None, minutes: str, seconds: str) -> bool:
    """1:75 and 1:60:00 are slips of the keyboard; 90:00 is an hour and a half."""
    return float(seconds) < 60 and (hours is None or int(minutes) < 60)


def parse_rate(text: str) -> Fraction:
    """Pictures a second from "16", "23.976" or "30000/1001". Raises InputError."""
    text = text.strip()
    try:
        rate = Fraction(text.rstrip(".")) if _RATE.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if rate <= 0:
        raise InputError(f"{text!r} is not a frame rate", hint="write e.g. 16, 25 or 30000/1001")
    return rate


def format_seconds(value: Fraction) -> str:
    """A short decimal for names and messages: 5, 4.8125, 10.35."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".")
