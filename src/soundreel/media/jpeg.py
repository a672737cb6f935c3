"""A picture as JPEG, for those who show it small."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from soundreel.types import Rgb

QUALITY = 88


def jpeg_bytes(rgb: Rgb, most_side: int) -> bytes:
    """At most so many pixels on a side, without any data beside the picture."""
    image = Image.fromarray(rgb)
    image.thumbnail((most_side, most_side), Image.Resampling.LANCZOS, reducing_gap=None)
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def is_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8\xff")
