"""What a request must satisfy before any file is opened."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from soundreel.engines.base import flag
from soundreel.errors import InputError
from soundreel.types import ChunkGeometry, Request

MIN_SIDE, MAX_SIDE = 16, 4096
MAX_RATE_TERM = 1_000_000
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
"""x264's speed presets, quick and large first."""

INTERPOLATIONS = ("none", "flow", "film")


def check_request(request: Request) -> None:
    """Raises InputError naming the first value that is out of its range."""
    _check_times(request)
    _check_picture(request)
    _check_option_files(request)
    _require(
        -1 <= request.seed < 2**64,
        f"--seed {request.seed}",
        "a seed is 0 to 2^64 - 1, or -1 for random",
    )
    _require(
        re.fullmatch(r"[^\s/\\:*?\"<>|\x00]{1,40}", request.tag) is not None,
        f"--settings {request.tag!r}",
        "a short word without spaces and slashes, since it becomes part of the file name",
    )


def check_size(request: Request, geometry: ChunkGeometry) -> None:
    """Raises InputError if the engine cannot make that size."""
    step = geometry.size_multiple
    if request.width % step or request.height % step:
        near = "x".join(str(_nearest(side, step)) for side in (request.width, request.height))
        raise InputError(
            f"--size {request.width}x{request.height}: engine {request.engine} needs multiples of "
            f"{step}",
            hint=f"try --size {near}",
        )


def _check_times(request: Request) -> None:
    _require(request.start >= 0, f"--start {request.start}", "a start is 0 or later")
    _require(
        request.duration is None or request.duration > 0,
        f"--duration {request.duration}",
        "a duration is more than 0 seconds",
    )
    _require(
        request.num_frames is None or request.num_frames >= 1,
        f"--frames {request.num_frames}",
        "make at least 1 frame",
    )
    _require(
        request.fps is None or Fraction(1) <= request.fps <= 240,
        f"--fps {request.fps}",
        "a rate lies between 1 and 240 frames a second",
    )
    _require(
        request.fps is None or max(request.fps.as_integer_ratio()) <= MAX_RATE_TERM,
        f"--fps {request.fps}",
        "a rate has few digits, since MP4 counts time in whole ticks: 23.976 or 24000/1001",
    )


def _check_picture(request: Request) -> None:
    for side in (request.width, request.height):
        _require(
            MIN_SIDE <= side <= MAX_SIDE and side % 2 == 0,
            f"--size {request.width}x{request.height}",
            f"both sides are even and between {MIN_SIDE} and {MAX_SIDE}",
        )
    crf, preset = request.encoding.crf, request.encoding.preset
    _require(0 <= crf <= 51, f"--crf {crf}", "0 (lossless) to 51, 10 to 23 advised")
    _require(preset in PRESETS, f"--preset {preset}", f"one of {', '.join(PRESETS)}")
    _require(
        request.interpolate in INTERPOLATIONS,
        f"--interpolate {request.interpolate}",
        f"one of {', '.join(INTERPOLATIONS)}",
    )


def _check_option_files(request: Request) -> None:
    for name, value in request.options.items():
        _require(
            not isinstance(value, Path) or _can_be_read(value),
            f"{flag(name)} {value}",
            "no such file, or one that may not be read: check the name",
        )


def _can_be_read(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except IsADirectoryError:
        return True
    except OSError:
        return False


def _nearest(side: int, step: int) -> int:
    return max(step, round(side / step) * step)


def _require(condition: bool, value: str, rule: str) -> None:
    if not condition:
        raise InputError(f"{value} cannot be used", hint=rule)
