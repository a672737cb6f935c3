"""The kinds of values that the rows of `options.table` have: how each is read, and its bounds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StringConstraints

from soundreel.options import faces, sizes, texts
from soundreel.options.platforms import read_platform
from soundreel.options.sizes import MAX_SIDE, MIN_SIDE

MAX_RATE_TERM = 1_000_000
MAX_SECONDS = MAX_FRAMES = 10**9
MAX_DENOMINATOR = 10**24
MAX_WHOLE = 2**256
"""Python writes no whole number of more than 4300 digits."""

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
]  # fmt: skip
"""Speeds, by x264's names, quick and large first."""

VideoCodec = Literal["h264", "h265", "av1"]
"""What the pictures of the finished file can be stored as."""

EncoderName = Literal["cpu", "nvenc"]
"""What computes the pictures' code."""

ContainerName = Literal["mp4", "mov", "webm", "gif", "webp"]
"""The kinds of files that a video can be (see video/containers.py)."""

FitOutput = Literal["crop", "pad", "blur"]

Steadiness = Literal["off", "colour", "full"]

LyricsMode = Literal["burn", "soft"]

AudioCodec = Literal["aac", "copy", "flac", "alac"]
"""What the sound of the finished file can be stored as."""


def _few_digits(value: Fraction) -> Fraction:
    if value.denominator > MAX_DENOMINATOR:
        raise ValueError("a time has at most 24 digits after the point")
    return value


def _sensible_time(value: Fraction | str) -> Fraction | str:
    if isinstance(value, str):
        return value
    if value > MAX_SECONDS:
        raise ValueError(f"a time is at most {MAX_SECONDS} seconds")
    return _few_digits(value)


def _whole_ticks(value: Fraction) -> Fraction:
    if max(value.as_integer_ratio()) > MAX_RATE_TERM:
        raise ValueError("give few digits, since MP4 counts in whole ticks: 23.976 or 24000/1001")
    return value


Seconds = Annotated[Fraction, PlainValidator(texts.read_time), AfterValidator(_few_digits)]
Poster = Annotated[
    Fraction | str, PlainValidator(texts.read_poster), AfterValidator(_sensible_time)
]
Rate = Annotated[
    Fraction, PlainValidator(texts.read_rate), Field(ge=1, le=240), AfterValidator(_whole_ticks)
]
Whole = Annotated[int, BeforeValidator(texts.read_whole)]
Side = Annotated[Whole, Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=2)]
Bitrate = Annotated[int | None, PlainValidator(texts.read_bitrate)]
Platform = Annotated[tuple[object, ...], PlainValidator(read_platform)]
Size = Annotated[tuple[int, int], PlainValidator(sizes.read_size)]
DrawnSize = Annotated[
    tuple[int, int], PlainValidator(sizes.read_size), AfterValidator(sizes.within_bounds)
]
Offset = Annotated[Fraction | str, PlainValidator(texts.read_offset)]
Gate = Annotated[float | None, PlainValidator(texts.read_gate)]
Loudness = Annotated[float | None, PlainValidator(texts.read_loudness)]
Text = Annotated[str, PlainValidator(texts.read_text)]
Word = Annotated[str, BeforeValidator(texts.read_text), StringConstraints(min_length=1)]
Name = Annotated[Path, PlainValidator(texts.read_path)]
Bounds = Annotated[tuple[Fraction, Fraction], PlainValidator(texts.read_bounds)]
Paths = Annotated[tuple[Path, ...], PlainValidator(texts.read_paths)]
Cast = Annotated[dict[str, Path | faces.Region], PlainValidator(faces.read_cast)]
Drive = Annotated[Path | dict[str, Path] | str, PlainValidator(texts.read_drive)]
Captions = Annotated[Path | str, PlainValidator(texts.read_captions)]
Artwork = Annotated[Path | str, PlainValidator(texts.read_artwork)]
Turns = Annotated[Path | str, PlainValidator(texts.read_turns)]
Prompts = Annotated[Path | tuple[str, ...], PlainValidator(texts.read_prompts)]
Shots = Annotated[str | Path, PlainValidator(texts.read_shots)]
Transition = Annotated[str, PlainValidator(texts.read_transition)]
Flag = Annotated[bool, PlainValidator(texts.read_flag)]
Tag = Annotated[Word, StringConstraints(pattern=r"^[^\s/\\:*?\"<>|\x00]{1,40}$")]
