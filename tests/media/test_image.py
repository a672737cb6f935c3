"""Still images: loaded upright and opaque, or refused in one sentence."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from soundreel.errors import InputError
from soundreel.media.image import BACKDROP, load_image


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def half_and_half(mode: str = "RGB") -> Image.Image:
    """20x10, left half red, right half blue."""
    array = np.zeros((10, 20, 3), np.uint8)
    array[:, :10, 0], array[:, 10:, 2] = 255, 255
    return Image.fromarray(array).convert(mode)


def test_a_plain_image(tmp_path: Path) -> None:
    rgb = load_image(save(tmp_path / "ä b.png", half_and_half()))
    assert rgb.shape == (10, 20, 3)
    assert rgb.dtype == np.uint8
    assert rgb[5, 2].tolist() == [255, 0, 0]
    assert rgb.flags.writeable


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    rgb = load_image(save(tmp_path / "a.jpg", half_and_half(), exif=exif, quality=95))
    assert rgb.shape == (20, 10, 3)
    assert rgb[2, 5, 0] > 200
    assert rgb[17, 5, 2] > 200


def test_transparency_stands_on_the_backdrop(tmp_path: Path) -> None:
    image = half_and_half("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.array([[255] * 10 + [0] * 10], np.uint8), 10, 0)))
    rgb = load_image(save(tmp_path / "a.png", image))
    assert rgb[5, 2].tolist() == [255, 0, 0]
    assert rgb[5, 15].tolist() == list(BACKDROP)


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = half_and_half().quantize(4)
    path = save(tmp_path / "a.gif", image, transparency=image.getpixel((15, 5)))
    assert load_image(path)[5, 15].tolist() == list(BACKDROP)


def test_cmyk(tmp_path: Path) -> None:
    rgb = load_image(save(tmp_path / "a.jpg", half_and_half("CMYK"), quality=95))
    assert rgb[5, 2, 0] > 180
    assert rgb[5, 2, 2] < 80


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "blue")]
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert load_image(path)[6, 6].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "I;16", "I", "F"])
def test_other_modes(tmp_path: Path, mode: str) -> None:
    values = np.tile(np.linspace(0, 1, 20), (10, 1))
    image = {
        "I;16": lambda: Image.fromarray((values * 65535).astype(np.uint16)),
        "I": lambda: Image.fromarray((values * 65535).astype(np.int32)),
        "F": lambda: Image.fromarray(values.astype(np.float32)),
    }.get(mode, lambda: Image.fromarray((values * 255).astype(np.uint8)).convert(mode))()
    rgb = load_image(save(tmp_path / ("a.tiff" if mode in ("F", "I") else "a.png"), image))
    assert rgb[5, 19].min() > 240
    assert rgb[5, 0].max() < 25


def bomb(side: int) -> bytes:
    """A PNG whose header claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"", "is empty"),
        ("a.png", b"no image at all", "not an image"),
        ("a.txt", b"RIFF____WAVEfmt ", "not an image"),
        ("a.png", bomb(12_000), "too large.*12000x12000"),
        ("a.png", bomb(100_000), "too large"),
        ("a.png", bomb(100), "damaged"),
        ("a.png", bomb(4), "too small"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load_image(path)
    assert caught.value.hint


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(InputError, match="damaged"):
        load_image(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image"):
        load_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="is a folder"):
        load_image(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp", "tiff"])
def test_mutated_files_give_an_image_or_our_own_error(tmp_path: Path, suffix: str) -> None:
    random = np.random.default_rng(4)
    path = save(tmp_path / f"a.{suffix}", half_and_half().resize((40, 40)))
    original = path.read_bytes()
    for _ in range(40):
        data = bytearray(original)
        for at in random.integers(0, len(data), 6):
            data[at] = int(random.integers(0, 256))
        path.write_bytes(bytes(data[: int(random.integers(1, len(data) + 1))]))
        with contextlib.suppress(InputError):
            assert load_image(path).ndim == 3
