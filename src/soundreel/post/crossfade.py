"""What two shots show together: the pictures of both are kept until all of them are there.

Mixed is what a screen is sent: the 8-bit values of the gamma-coded RGB, as editing programs do, so
that a fade goes on evenly for the eye. Done after interpolation: each shot's pictures are its own.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from soundreel.errors import WorkError
from soundreel.post.lossless import packed, unpacked
from soundreel.types import Rgb
from soundreel.work.files import create, disk_errors, read_regular, sync

STEPS = 1 << 16
"""Of a weight: 0, 1/2 and 1 are exact, and every other is far finer than a level of a picture."""

_ENTRY = struct.Struct(">QQ")  # number of the picture, bytes of its PNG
_HASH = hashlib.sha256().digest_size


class Held:
    """Pictures that wait, by their numbers in the file."""

    def __init__(self, pictures: Mapping[int, bytes] | None = None) -> None:
        self._pictures = dict(pictures or {})

    def __bool__(self) -> bool:
        return bool(self._pictures)

    def __contains__(self, number: int) -> bool:
        return number in self._pictures

    def hold(self, number: int, rgb: Rgb) -> None:
        """Keep picture `number` of a shot."""
        self._pictures[number] = packed(rgb)

    def picture(self, number: int) -> Rgb:
        return unpacked(self._pictures[number])

    def to_bytes(self) -> bytes:
        """After their SHA-256."""
        body = b"".join(_ENTRY.pack(n, len(png)) + png for n, png in self._pictures.items())
        return hashlib.sha256(body).digest() + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Held:
        """Raises ValueError where they are not whole."""
        body, at, found = data[_HASH:], 0, dict[int, bytes]()
        if hashlib.sha256(body).digest() != data[:_HASH]:
            raise ValueError("damaged")
        while at < len(body):
            number, size = _ENTRY.unpack_from(body, at)
            at += _ENTRY.size + size
            found[number] = body[at - size : at]
        return cls(found)


def write_held(path: Path, held: Held) -> None:
    """Raises WorkError where the disk refuses."""
    with disk_errors(f"write {path}"):
        create(path)
        path.write_bytes(held.to_bytes())
        sync(path)


def read_held(path: Path) -> Held:
    """Raises WorkError where they are gone, or not as they were written."""
    try:
        return Held.from_bytes(read_regular(path))
    except (OSError, ValueError) as err:
        raise WorkError(
            f"pictures that wait for a crossfade are not at hand ({path.name})",
            hint="remove the work folder of this job, then run the same command again",
        ) from err


def mix(first: Rgb, second: Rgb, share: Fraction) -> Rgb:
    """(1 - share) of the first and `share` of the second, 0 to 1, rounded to nearest: at 0 the
    first to the bit, at 1/2 the mean."""
    weight = round(share * STEPS)
    total = first.astype(np.uint32)
    total *= STEPS - weight
    total += second.astype(np.uint32) * np.uint32(weight)
    total += STEPS // 2
    return (total // STEPS).astype(np.uint8)
