"""Colours of a picture are those that its profile gives its numbers, as everybody else shows it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.test_image import half_and_half, save
from soundreel.media.image import load_image
from soundreel.media.pixels import BACKDROP


def profile(
    primaries: tuple[tuple[float, ...], ...], gamma: float, space: bytes = b"RGB "
) -> bytes:
    """An ICC profile of a display (v2.4), made by hand: columns are X, Y, Z at D50."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0-\0"), (b"wtpt", xyz((0.9642, 1, 0.8249)))]
    if space == b"RGB ":
        names = (b"rXYZ", b"gXYZ", b"bXYZ")
        tags += [(name, xyz(value)) for name, value in zip(names, primaries, strict=True)]
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    else:
        tags.append((b"kTRC", curve))
    at, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags:
        padded = value + bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, at + len(data), len(value))
        data += padded
    head = struct.pack(">I4sI4s4s4s", at + len(data), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28)
    white = b"".join(struct.pack(">i", round(v * 65536)) for v in (0.9642, 1, 0.8249))
    return (head + white).ljust(128, b"\0") + table + data


# Adobe RGB (1998), adapted to D50.
PRIMARIES = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
ADOBE_RGB = profile(PRIMARIES, 2.2)
GREY_18 = profile((), 1.8, b"GRAY")


def seen(colour: tuple[int, ...], icc: bytes, mode: str = "RGB") -> np.ndarray:
    """What the profile says, computed here: to XYZ at D50, then to sRGB (IEC 61966-2-1)."""
    matrix = np.array(
        [[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
    )
    if icc == GREY_18:
        linear = np.full(3, (colour[0] / 255) ** 1.8)
    else:
        columns = np.array(PRIMARIES).T
        linear = np.linalg.solve(matrix, columns @ (np.array(colour[:3]) / 255) ** 2.2)
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif"])
def test_colours_are_those_of_the_profile(tmp_path: Path, suffix: str) -> None:
    colour = (180, 120, 60)
    path = save(
        tmp_path / f"a.{suffix}",
        Image.new("RGB", (16, 16), colour),
        icc_profile=ADOBE_RGB,
        quality=98,
    )
    assert np.abs(load_image(path)[8, 8] - seen(colour, ADOBE_RGB)).max() < 4
    assert np.abs(np.array(colour) - seen(colour, ADOBE_RGB)).max() > 10


def test_a_palette_and_a_cut_out_have_profiles_too(tmp_path: Path) -> None:
    colour = (180, 120, 60)
    flat = Image.new("RGB", (16, 16), colour)
    palette = save(tmp_path / "p.png", flat.quantize(4), icc_profile=ADOBE_RGB)
    assert np.abs(load_image(palette)[8, 8] - seen(colour, ADOBE_RGB)).max() < 4
    flat.putalpha(Image.new("L", (16, 16), 0))
    flat.paste((*colour, 255), (0, 0, 16, 8))
    cut = load_image(save(tmp_path / "c.png", flat, icc_profile=ADOBE_RGB))
    assert np.abs(cut[4, 8] - seen(colour, ADOBE_RGB)).max() < 4
    assert cut[12, 8].tolist() == list(BACKDROP)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_greys_have_profiles_too(tmp_path: Path, mode: str) -> None:
    grey = np.full((16, 16), 100, np.uint8)
    image = {
        "L": lambda: Image.fromarray(grey),
        "LA": lambda: Image.fromarray(np.dstack([grey, np.full_like(grey, 255)])),
        "I;16": lambda: Image.fromarray(np.where(np.eye(16), 65535, 25700).astype(np.uint16)),
    }[mode]()
    assert image.mode == mode
    path = save(tmp_path / "a.png", image, icc_profile=GREY_18)
    assert np.abs(load_image(path)[8, 4] - seen((100,), GREY_18)).max() < 3


def ink_profile() -> bytes:
    """An ICC profile of inks (v2.4): paper is white, any full ink black, by
    a table (lut8Type) of 16 corners in Lab."""
    corners = bytearray()
    for corner in range(16):
        inks = corner.bit_count()
        corners += bytes([255 - 255 * min(inks, 1), 128, 128])
    identity = b"".join(struct.pack(">i", 65536 * (at % 4 == 0)) for at in range(9))
    straight = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + straight * 4 + corners + straight * 3
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0-\0"), (b"wtpt", white), (b"A2B0", lut)]
    at, table, data = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags:
        table += struct.pack(">4sII", name, at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", at + len(data), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    head += bytes(12) + b"acsp" + bytes(28) + white[8:]
    return head.ljust(128, b"\0") + table + data


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_inks_have_profiles_too(tmp_path: Path, suffix: str) -> None:
    """Half black is L* 50, which is 119 in sRGB; without the profile it would be 127."""
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 128))
    path = save(tmp_path / f"a.{suffix}", image, icc_profile=ink_profile(), quality=98)
    assert np.abs(load_image(path)[8, 8].astype(int) - 119).max() < 3


def test_inks_with_a_profile_of_lights_are_taken_as_without(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", half_and_half("CMYK"), quality=95, icc_profile=ADOBE_RGB)
    plain = save(tmp_path / "b.jpg", half_and_half("CMYK"), quality=95)
    assert np.array_equal(load_image(path), load_image(plain))


@pytest.mark.parametrize(
    "icc", [b"no profile", ADOBE_RGB[:200], GREY_18, ADOBE_RGB[:16] + b"CMYK" + ADOBE_RGB[20:]]
)
def test_a_profile_that_is_broken_or_does_not_fit_is_ignored(tmp_path: Path, icc: bytes) -> None:
    path = save(tmp_path / "a.png", Image.new("RGB", (16, 16), (180, 120, 60)), icc_profile=icc)
    assert load_image(path)[8, 8].tolist() == [180, 120, 60]


def test_lab(tmp_path: Path) -> None:
    lab = Image.merge("LAB", [Image.new("L", (16, 16), value) for value in (136, 208, 195)])
    rgb = load_image(save(tmp_path / "a.tiff", lab))
    assert np.abs(rgb[8, 8].astype(int) - (255, 0, 0)).max() < 12
