"""One still image from a file: upright, opaque, 8-bit RGB, or one clear sentence why not."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from soundreel.errors import InputError
from soundreel.types import Rgb

MIN_SIDE = 8
"""Fewer pixels than this on a side show nothing."""

MAX_PIXELS = 100_000_000
"""About 400 MB while decoding: larger files are refused before a pixel is read."""

BACKDROP = (18, 18, 20)
"""What shows through transparent pixels: near black, so that a cut-out stands free."""

FORMATS_HINT = "give a PNG, JPEG, WebP, TIFF, BMP or GIF image"


def load_image(path: Path) -> Rgb:
    """The picture in `path`: EXIF rotation applied, transparency composited on a dark backdrop,
    CMYK and 16 bit converted, the first frame of an animation. Raises InputError."""
    _require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own size warning: ours is an error
            with Image.open(path) as image:
                _check_size(path, image.size)
                return _upright_rgb(image)
    except UnidentifiedImageError as err:
        raise InputError(f"{path} is not an image that can be read", hint=FORMATS_HINT) from err
    except Image.DecompressionBombError as err:
        raise _too_large(path, "its header claims a size beyond all reason") from err
    except PermissionError as err:
        raise InputError(f"cannot read {path}: {err.strerror}", hint="allow it to be read") from err
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as err:
        # Pillow's decoders raise any of these on damaged files.
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
    if status.st_size == 0:
        raise InputError(f"{path} is empty", hint=FORMATS_HINT)


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"it has {width}x{height} pixels")
    if min(size) < MIN_SIDE:
        raise InputError(
            f"{path} is too small: {width}x{height} pixels",
            hint=f"give an image of at least {MIN_SIDE}x{MIN_SIDE}",
        )


def _too_large(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is too large: {reason}",
        hint=f"scale it to at most {MAX_PIXELS // 1_000_000} megapixels",
    )


def _upright_rgb(image: Image.Image) -> Rgb:
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return _grey_to_rgb(np.asarray(upright, dtype=np.float64))
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        cutout = upright.convert("RGBA")
        backdrop = Image.new("RGBA", cutout.size, (*BACKDROP, 255))
        upright = Image.alpha_composite(backdrop, cutout)
    return np.array(upright.convert("RGB"), dtype=np.uint8)


def _grey_to_rgb(grey: np.ndarray) -> Rgb:
    """High-bit greys by their range: up to 1, 255 or 65535."""
    peak = float(grey.max(initial=0.0))
    full = 1.0 if peak <= 1 else 255.0 if peak <= 255 else max(65535.0, peak)
    scaled = np.clip(grey * (255 / full), 0, 255).astype(np.uint8)
    return np.repeat(scaled[..., None], 3, axis=2)
