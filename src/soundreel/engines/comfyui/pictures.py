"""Pictures on their way to the server and back: always PNG."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from soundreel.engines.comfyui.client.wire.errors import RESUME_HINT
from soundreel.errors import RemoteError
from soundreel.types import Rgb

_LARGEST_REFERENCE = 4096
"""Pixels on a side; the server scales the reference image to the picture's size anyway."""
WRITTEN_BESIDE = 16 << 20
"""Bytes of what the server writes into a file beside what it holds: the whole graph."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def reference_png(rgb: Rgb) -> bytes:
    """The reference image as the server gets it: lossless, of a reasonable size."""
    scale = _LARGEST_REFERENCE / max(rgb.shape[:2])
    if scale < 1:
        smaller = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rgb = np.asarray(smaller, np.uint8)
    return picture_png(rgb)


def picture_png(rgb: Rgb) -> bytes:
    """A picture as the server gets it: lossless."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1])


def largest_picture(width: int, height: int) -> int:
    """Bytes that a picture's file can have at most: one of noise."""
    return 4 * width * height + WRITTEN_BESIDE


def read_picture(file: bytes, width: int, height: int, name: str) -> Rgb:
    """The pixels of a picture that the server made; its size is read before anything is unpacked.

    name: of the picture, for the RemoteError if it is another, or damaged.
    """
    size = png_size(file)
    if size != (width, height):
        found = f"{size[0]}x{size[1]}" if size else f"no PNG ({len(file)} bytes)"
        raise RemoteError(
            f"the server sent {found} as {name} instead of {width}x{height}",
            hint="is a proxy in between that changes pictures?",
        )
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape != (height, width, 3) or not _is_whole(file):
        raise RemoteError(
            f"{name} came damaged from the server ({len(file)} bytes)",
            hint=f"is the server's disk full? {RESUME_HINT}",
        )
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def png_size(file: bytes) -> tuple[int, int] | None:
    """Width and height as a PNG's header states them; None for anything else."""
    if not file.startswith(_SIGNATURE) or file[12:16] != b"IHDR" or len(file) < 24:
        return None
    width, height = struct.unpack_from(">II", file, 16)
    return width, height


def _is_whole(file: bytes) -> bool:
    """Whether the last chunk is there: of a file that breaks off, OpenCV shows what it has."""
    return b"IEND" in file[-12:]
