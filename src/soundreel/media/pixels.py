"""What an opened image shows: upright, opaque, sRGB, 8 bit, strip by strip.

Pillow keeps a picture as 4 bytes a pixel; each of its conversions makes another of that size. So
only strips are converted, into the one array that is given back.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from soundreel.types import Rgb

DECODER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, struct.error,
)  # fmt: skip
"""What Pillow raises on damaged files, each of them seen: it does not translate."""

BACKDROP = (18, 18, 20)
"""What shows through transparent pixels: near black, so that a cut-out stands free."""

_STRIP_PIXELS = 1 << 21
_HIGH_GREYS = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_GREYS = _HIGH_GREYS | {"1", "L", "LA", "La"}
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})


def upright_rgb(image: Image.Image) -> Rgb:
    """Every pixel of the (first) picture. Pillow's own errors pass."""
    image.load()
    orientation = _orientation(image)
    transform = _to_srgb(image)
    full = _full_scale(image) if image.mode in _HIGH_GREYS else None
    width, height = image.size
    shape = (height, width, 3) if orientation < 5 else (width, height, 3)
    rgb = np.empty(shape, np.uint8)
    stored = _as_stored(rgb, orientation)
    for top, strip in _strips(image):
        flat = strip if full is None else _eight_bit(strip, full)
        opaque = _opaque(flat, transform)
        stored[top : top + opaque.height] = np.asarray(opaque)
    return rgb


def upright_opacity(image: Image.Image) -> NDArray[np.uint8] | None:
    """(h, w) 0 clear to 255 opaque; None where no pixel is clear. Pillow's own errors pass."""
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return None
    image.load()
    orientation = _orientation(image)
    width, height = image.size
    opacity = np.empty((height, width) if orientation < 5 else (width, height), np.uint8)
    stored = _as_stored(opacity[..., None], orientation)
    for top, strip in _strips(image):
        stored[top : top + strip.height, :, 0] = np.asarray(strip.convert("RGBA").getchannel("A"))
    return None if opacity.min(initial=255) == 255 else opacity


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    width, height = image.size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _orientation(image: Image.Image) -> int:
    """How the picture lies, 1 to 8 (EXIF 2.3, 4.6.4). Nothing else of its EXIF matters, and no
    senseless tag in it may stand in the way."""
    if image.format == "TIFF":  # which Pillow turns when it loads
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _as_stored(rgb: Rgb, orientation: int) -> Rgb:
    """The upright picture as a view in the order in which the file holds its pixels."""
    match orientation:
        case 2:
            return rgb[:, ::-1]
        case 3:
            return rgb[::-1, ::-1]
        case 4:
            return rgb[::-1]
        case 5:
            return rgb.transpose(1, 0, 2)
        case 6:
            return np.rot90(rgb, 1)
        case 7:
            return rgb[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            return np.rot90(rgb, -1)
        case _:
            return rgb


def _to_srgb(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """From the picture's own colours, where it says what they are. A profile that is broken or of
    another kind of picture says nothing: the numbers are then taken as sRGB, as without one."""
    try:
        if image.mode == "LAB":
            source, mode = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB"
        else:
            source = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
            mode = _mode_of(source.profile.xcolor_space.strip(), image.mode)
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (*DECODER_ERRORS, ImageCms.PyCMSError):
        return None


def _mode_of(space: str, image_mode: str) -> str:
    """The mode in which a profile of that colour space takes pixels. KeyError if it does not fit:
    any picture but one in inks can be taken as RGB, only a grey one as grey."""
    if image_mode == "CMYK":
        return {"CMYK": "CMYK"}[space]
    if image_mode in _GREYS:
        return {"GRAY": "L", "RGB": "RGB"}[space]
    return {"RGB": "RGB"}[space]


def _opaque(strip: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    alpha = None
    if strip.mode in _WITH_ALPHA or "transparency" in strip.info:
        strip = strip.convert("RGBA")
        alpha = strip.getchannel("A")
    colours = strip.convert("RGB") if transform is None else _converted(strip, transform)
    if alpha is None:
        return colours
    colours.putalpha(alpha)
    backdrop = Image.new("RGBA", colours.size, (*BACKDROP, 255))
    return Image.alpha_composite(backdrop, colours).convert("RGB")


def _converted(strip: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(strip.convert(transform.input_mode), transform)
    assert converted is not None  # as it is not done in place
    return converted


def _full_scale(image: Image.Image) -> float:
    """What is white among high-bit greys, by their range: 1, 255 or 65535."""
    peak = max(float(np.asarray(strip).max(initial=0)) for _, strip in _strips(image))
    return 1.0 if peak <= 1 else 255.0 if peak <= 255 else max(65535.0, peak)


def _eight_bit(strip: Image.Image, full: float) -> Image.Image:
    scaled = np.asarray(strip, dtype=np.float64) * (255 / full)
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
