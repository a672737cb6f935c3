"""One still image from a file: upright, opaque, 8-bit RGB, or one clear sentence why not."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from soundreel.errors import InputError
from soundreel.media.pixels import DECODER_ERRORS, upright_opacity, upright_rgb
from soundreel.types import Rgb

T = TypeVar("T")

MIN_SIDE = 8
"""Fewer pixels than this on a side show nothing."""

MAX_PIXELS = 100_000_000
_TIGHT_PIXELS = 40_000_000
"""Larger files are refused before a pixel is read, so that none takes a gigabyte: a decoded
picture has 4 bytes a pixel, the result 3. WebP's and AVIF's decoders hold two more copies, that of
a progressive JPEG up to 6 bytes a pixel."""

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
"""Pillow's names. It knows many more, rarely used, some of which start other programs (EPS)."""

FORMATS_HINT = "give a PNG, JPEG, WebP, AVIF, TIFF, BMP or GIF image"


def load_image(path: Path) -> Rgb:
    """The picture in `path`: turned as its EXIF says, its colour profile converted to sRGB,
    transparency on a dark backdrop, CMYK and 16 bit converted, the first frame of an animation.
    Raises InputError."""
    _require_file(path)
    return read_image(path, path)


def read_image(source: Path | BinaryIO, path: Path) -> Rgb:
    """As `load_image`; `path` is what messages call it. Raises InputError."""
    return _opened(source, path, upright_rgb)


def load_opacity(path: Path) -> NDArray[np.uint8] | None:
    """(h, w) 0 clear to 255 opaque, upright; None where no pixel is clear. Raises InputError."""
    _require_file(path)
    return _opened(path, path, upright_opacity)


def _opened(source: Path | BinaryIO, path: Path, read: Callable[[Image.Image], T]) -> T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning: ours is an error
            with Image.open(source, formats=FORMATS) as image:
                _check_size(path, image)
                return read(image)
    except UnidentifiedImageError as err:
        raise _unknown(path) from err
    except Image.DecompressionBombError as err:
        raise _too_large(path, "its header claims a size beyond all reason") from err
    except PermissionError as err:
        raise InputError(f"cannot read {path}: {err.strerror}", hint="allow it to be read") from err
    except DECODER_ERRORS as err:
        raise InputError(f"{path} is damaged: {err}", hint=f"{FORMATS_HINT} that opens") from err


def _require_file(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as err:
        raise InputError(f"no image at {path}", hint="check the name and the folder") from err
    except OSError as err:
        raise InputError(
            f"cannot read {path}: {err.strerror}", hint="check its name and its permissions"
        ) from err
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder, not an image", hint=FORMATS_HINT)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a regular file", hint=FORMATS_HINT)
    if status.st_size == 0:
        raise InputError(f"{path} is empty", hint=FORMATS_HINT)


def _unknown(path: Path) -> InputError:
    """A photo of a phone deserves its own words: it is one, only not for Pillow."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        head = b""
    brands = {head[at : at + 4] for at in range(8, len(head), 4)}
    if head[4:8] == b"ftyp" and brands & _HEIC_BRANDS:
        return InputError(
            f"{path} is a HEIC photo, which cannot be read here",
            hint="save it as JPEG or PNG; an iPhone's setting: Camera, Formats, Most Compatible",
        )
    if head[4:8] == b"ftyp" and brands & _AVIF_BRANDS:
        return InputError(
            f"{path} is an AVIF image that cannot be read here",
            hint="save it as JPEG or PNG; if it opens elsewhere: pip install --upgrade pillow",
        )
    return InputError(f"{path} is not an image that can be read", hint=FORMATS_HINT)


_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    hungry = image.format in ("WEBP", "AVIF") or "progressive" in image.info
    most = _TIGHT_PIXELS if hungry else MAX_PIXELS
    if width * height > most:
        raise _too_large(path, f"it has {width}x{height} pixels", most)
    if min(image.size) < MIN_SIDE:
        raise InputError(
            f"{path} is too small: {width}x{height} pixels",
            hint=f"give an image of at least {MIN_SIDE}x{MIN_SIDE}",
        )


def _too_large(path: Path, reason: str, most: int = MAX_PIXELS) -> InputError:
    return InputError(
        f"{path} is too large: {reason}", hint=f"scale it to at most {most // 1_000_000} megapixels"
    )
