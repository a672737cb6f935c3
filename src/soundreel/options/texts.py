"""What people write and mean: times, rates, sizes, numbers, names.

Each takes what the command line, TOML, JSON or Python may hold and gives the exact value, or raises
ValueError with the rule.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import SupportsIndex, cast

_NUMBER = r"\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}"
_CLOCK = re.compile(rf"(?:(?:(\d{{1,9}}):)?(\d{{1,9}}):)?({_NUMBER})", re.ASCII)
_RATE = re.compile(rf"(?:{_NUMBER})|\d{{1,9}}/\d{{1,9}}", re.ASCII)
_BITRATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([kM]?)", re.ASCII)
_LOUDNESS = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,6})?)\s*(?:LUFS|LKFS)?", re.ASCII | re.IGNORECASE)
_DECIBELS = re.compile(r"(-\d{1,3}(?:\.\d*)?)\s*(?:dB)?", re.IGNORECASE)
_RATIO = re.compile(r"\d{1,30}/\d{1,30}", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_FOREIGN_BYTE = re.compile("[\udc80-\udcff]")


def parse_time(text: str) -> Fraction:
    """Seconds from "90.5", "1:30.5" or "1:02:03"."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or (":" in text and not _is_clock(*match.groups())):
        raise ValueError("not a time: write seconds or a clock time, 90.5, 1:30.5 or 1:02:03")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(seconds.rstrip("."))


def _is_clock(hours: str | None, minutes: str, seconds: str) -> bool:
    """1:75 and 1:60:00 are slips of the keyboard; 90:00 is an hour and a half."""
    return float(seconds) < 60 and (hours is None or int(minutes) < 60)


def parse_rate(text: str) -> Fraction:
    """Pictures a second from "16", "23.976" or "30000/1001"."""
    text = text.strip()
    try:
        rate = Fraction(text.rstrip(".")) if _RATE.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        rate = Fraction(0)
    if rate <= 0:
        raise ValueError("not a frame rate: write e.g. 16, 25 or 30000/1001")
    return rate


def read_time(value: object) -> Fraction:
    """As `parse_time`; "181/2", as records have it, and numbers too: 10.1 is 101/10."""
    if isinstance(value, str) and not _RATIO.fullmatch(value):
        return parse_time(value)
    return _exact(value, "not a time: give seconds or a clock time, 90.5 or '1:30.5'")


def read_poster(value: object) -> Fraction | str:
    """A time, or "auto", or "none"."""
    return value if isinstance(value, str) and value in ("auto", "none") else read_time(value)


def read_rate(value: object) -> Fraction:
    """As `parse_rate`, and numbers."""
    if isinstance(value, str):
        return parse_rate(value)
    return _exact(value, "not a frame rate: give e.g. 16, 25 or 30000/1001")


LEAST_BITRATE = 8_000
MOST_BITRATE = 8 * 6 * 96_000
"""8 channels at 96 kHz; AAC has 6 bits a sample, 6144 a channel and frame (ISO/IEC 14496-3)."""


def read_bitrate(value: object) -> int | None:
    """Bits a second from "192k", "0.2M" or a whole number; None from "auto"."""
    rule = f"write bits a second, {LEAST_BITRATE // 1000}k to {MOST_BITRATE // 1000}k, or auto"
    if value is None or value == "auto":
        return None
    if isinstance(value, str) and (match := _BITRATE.fullmatch(value.strip())):
        value = int(Fraction(match[1]) * {"": 1, "k": 1000, "M": 1_000_000}[match[2]])
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(rule)
    if not LEAST_BITRATE <= value <= MOST_BITRATE:
        raise ValueError(rule)
    return value


LEAST_LOUDNESS, MOST_LOUDNESS = -40, -5


def read_loudness(value: object) -> float | None:
    """LUFS from "-14", "-14 LUFS" or a number, to two digits; None from "off"."""
    rule = f"write LUFS from {LEAST_LOUDNESS} to {MOST_LOUDNESS}, as -14, or off"
    if value is None or value == "off":
        return None
    if isinstance(value, str) and (match := _LOUDNESS.fullmatch(value.strip())):
        value = float(match[1])
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        raise ValueError(rule)
    if not LEAST_LOUDNESS <= value <= MOST_LOUDNESS:
        raise ValueError(rule)
    return round(float(value), 2)


def read_offset(value: object) -> Fraction | str:
    """Seconds, negative ones too, or "auto"."""
    if value == "auto":
        return "auto"
    if isinstance(value, str) and value.strip().startswith("-"):
        return -read_time(value.strip()[1:])
    return read_time(value)


def read_gate(value: object) -> float | None:
    """Decibels from "-40dB", "-40" or a number; None from "off"."""
    rule = "write decibels from -90 to -6, as -40dB, or off"
    if value is None or value == "off":
        return None
    if isinstance(value, str) and (match := _DECIBELS.fullmatch(value.strip())):
        value = float(match[1])
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        raise ValueError(rule)
    if not -90 <= value <= -6:
        raise ValueError(rule)
    return round(float(value), 2)


def _exact(value: object, rule: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Fraction)):
        raise ValueError(rule)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(rule)
    try:
        return Fraction(value) if isinstance(value, (int, Fraction)) else Fraction(str(value))
    except (ValueError, ZeroDivisionError) as err:
        raise ValueError(rule) from err


def read_whole(value: object) -> int:
    """A whole number; True is none."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return operator.index(cast(SupportsIndex, "" if isinstance(value, bool) else value))
    except TypeError as err:
        raise ValueError("not a whole number") from err


def read_text(value: object) -> str:
    """Text that can be written as UTF-8. Bytes of a command line in another encoding, which Python
    hands on as half characters, become the sign for what cannot be read."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    value = _FOREIGN_BYTE.sub("\ufffd", value)
    try:
        value.encode()
    except UnicodeEncodeError as err:
        raise ValueError("holds bytes that are not UTF-8 text") from err
    return str(value)


def read_path(value: object) -> Path:
    """The name of a file; bytes that are not Unicode are kept as Python keeps them."""
    if not isinstance(value, (str, Path)) or not str(value).strip() or "\0" in str(value):
        raise ValueError("not the name of a file")
    return Path(value)


def read_shots(value: object) -> str | Path:
    """How the shots are found: a word, or the file that lists them."""
    return str(value) if value in ("none", "auto") else read_path(value)


def read_bounds(value: object) -> tuple[Fraction, Fraction]:
    """The least and the most seconds: "4-12", or two times."""
    ends = value.split("-") if isinstance(value, str) else value
    rule = "write the least and the most seconds of a shot, as 4-12"
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise ValueError(rule)
    least, most = (read_time(end.strip() if isinstance(end, str) else end) for end in ends)
    if not 1 <= least <= most <= 3600:
        raise ValueError(f"{rule}: 1 or more, and the second no less than the first")
    return least, most


def read_paths(value: object) -> tuple[Path, ...]:
    """Names of files, or of one folder; in a text with commas between them."""
    names = value.split(",") if isinstance(value, str) else value
    if isinstance(names, Path):
        return (names,)
    if not isinstance(names, (list, tuple)):
        raise ValueError("name files with commas between them, or a folder")
    return tuple(read_path(name.strip() if isinstance(name, str) else name) for name in names)


def read_named(value: object) -> dict[str, object]:
    """Names and what they stand for: a table, or texts as "anna=anna.wav"."""
    rule = "write a speaker and a file, as anna=anna.wav"
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        pairs = [tuple(item.split("=", 1)) for item in value]
    else:
        raise ValueError(rule)
    named = dict[str, object]()
    for pair in pairs:
        name = read_text(pair[0]).strip()
        if len(pair) != 2 or not name:
            raise ValueError(rule)
        if name in named:
            raise ValueError(f"{name} is named twice")
        named[name] = pair[1]
    return named


VOCALS = "vocals"
"""The voice of the sound itself, which is separated from it."""


def read_drive(value: object) -> Path | dict[str, Path] | str:
    """One file, "vocals", or the track of each speaker as `read_named` takes them."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0] if "=" not in str(value[0]) or Path(str(value[0])).exists() else value
    if isinstance(value, (str, Path)):
        return VOCALS if value == VOCALS else read_path(value)
    return {name: read_path(track) for name, track in read_named(value).items()}


AUTO = "auto"
"""The words that are heard, in place of a file of captions."""


def read_captions(value: object) -> Path | str:
    """The name of a file, or "auto"."""
    return AUTO if value == AUTO else read_path(value)


TAGS = "tags"
"""What the sound file says of itself, or holds."""


def read_artwork(value: object) -> Path | str:
    """The name of a picture, or "tags"."""
    return TAGS if value == TAGS else read_path(value)


def read_turns(value: object) -> Path | str:
    """The file that says who speaks when, or "tracks"."""
    return "tracks" if value == "tracks" else read_path(value)


LONGEST_CROSSFADE = 10


def read_transition(value: object) -> str:
    """ "cut", or "crossfade:0.5" with its seconds."""
    rule = "write cut, or crossfade and its seconds, as crossfade:0.5"
    if value == "cut":
        return "cut"
    word, colon, seconds = value.partition(":") if isinstance(value, str) else ("", "", "")
    if word.strip() != "crossfade" or not colon:
        raise ValueError(rule)
    if not 0 < parse_time(seconds) <= LONGEST_CROSSFADE:
        raise ValueError(f"a crossfade lasts more than 0 and at most {LONGEST_CROSSFADE} seconds")
    return f"crossfade:{seconds.strip()}"


def crossfade_seconds(transition: str | None) -> Fraction:
    """Of what `read_transition` gave; 0 for a cut."""
    return (
        parse_time(transition.partition(":")[2]) if transition not in (None, "cut") else Fraction(0)
    )


def read_spans(value: object) -> tuple[tuple[Fraction, Fraction], ...]:
    """Pairs of times, each with its end after its start."""
    rule = 'write pairs of times, as [["0:12", "0:13.5"]]'
    if not isinstance(value, (list, tuple)):
        raise ValueError(rule)
    spans = []
    for pair in value:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(rule)
        start, end = map(read_time, pair)
        if not 0 <= start < end:
            raise ValueError(f"{rule}: an end comes after its start")
        spans.append((start, end))
    return tuple(sorted(spans))


def read_prompts(value: object) -> Path | tuple[str, ...]:
    """The file that lists them, or the prompts themselves."""
    if isinstance(value, (list, tuple)):
        return tuple(map(read_text, value))
    return read_path(value)


def read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("give true or false")
