"""Reads a finished GIF or WebP back: every picture, and how long it is shown."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from PIL import Image

from soundreel.media.pixels import DECODER_ERRORS
from soundreel.video.animated import gif, webp
from soundreel.video.animated.strip import delay


def fault(path: Path, num_frames: int, fps: Fraction, width: int, height: int) -> str:
    """What is wrong with the file, in words; "" where it holds exactly these pictures, each for its
    time. The first and the last one are decoded."""
    with path.open("rb") as file:
        is_gif = file.read(3) == b"GIF"
    tick = gif.TICK if is_gif else webp.TICK
    found: list[int] = []
    with suppress(EOFError):
        found += _gif_delays(path) if is_gif else _webp_delays(path)
    if len(found) != num_frames:
        return f"{len(found)} pictures, not {num_frames}"
    for index, shown in enumerate(found):
        if shown != (wanted := delay(index, fps, tick)):
            return f"picture {index} is shown {shown} times {tick} s, not {wanted}"
    return _fault_of_pictures(path, num_frames, (width, height))


def _gif_delays(path: Path) -> Iterator[int]:
    ticks = 0
    with path.open("rb") as file:
        for kind, content in gif.blocks(file):
            if kind == "control":
                (ticks,) = struct.unpack("<H", content[1:3])
            elif kind == "image":
                yield ticks


def _webp_delays(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        for kind, at, _ in webp.chunks(file):
            if kind == b"ANMF":
                file.seek(at + 12)
                yield int.from_bytes(file.read(3), "little")


def _fault_of_pictures(path: Path, num_frames: int, size: tuple[int, int]) -> str:
    try:
        with Image.open(path, formats=("GIF", "WEBP")) as image:
            if image.size != size:
                return f"size {image.width}x{image.height}, not {size[0]}x{size[1]}"
            for index in (0, num_frames - 1):
                image.seek(index)
                image.load()
    except DECODER_ERRORS as err:
        return f"its pictures cannot be decoded ({err})"
    return ""
