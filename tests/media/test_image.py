"""Still images: loaded upright and opaque, or refused in one sentence."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from soundreel.errors import InputError
from soundreel.media.image import load_image, load_opacity
from soundreel.media.pixels import BACKDROP


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


def png_chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb(side: int) -> bytes:
    """A PNG whose header claims side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IEND", b"")


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


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "bmp", "tiff", "avif", "ppm"])
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


def exif_of(orientation: int, *others: tuple[int, int, int, bytes]) -> bytes:
    """An EXIF block with entries (tag, type, count, value) as they stand, senseless or not."""
    entries = ((0x0112, 3, 1, struct.pack("<H", orientation)), *others)
    table, data = struct.pack("<H", len(entries)), b""
    at = 8 + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place, data = struct.pack("<I", at + len(data)), data + value
        table += struct.pack("<HHI", tag, kind, count) + place
    return b"Exif\0\0II*\0\x08\0\0\0" + table + bytes(4) + data


SENSELESS = {
    "resolution -1/0": (0x011A, 10, 1, struct.pack("<ii", -1, 0)),
    "resolution as text": (0x011A, 2, 9, b"72 dpi/in"),
    "date as a fraction": (0x0132, 5, 1, struct.pack("<II", 2024, 1)),
    "no number": (0x011B, 11, 1, struct.pack("<f", float("nan"))),
    "infinite": (0x011B, 12, 1, struct.pack("<d", float("inf"))),
    "a place far outside": (0x8769, 4, 1, struct.pack("<I", 0xFFFFFF)),
    "an unknown type": (0x010F, 77, 1, b"????"),
    "a count beyond all": (0x010E, 2, 0xFFFFFFFF, b"text"),
    "a maker's note": (0x927C, 7, 40, bytes(range(40))),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("name", SENSELESS)
def test_a_senseless_tag_does_not_keep_a_photo_from_being_turned(
    tmp_path: Path, name: str, suffix: str
) -> None:
    lossless = {"lossless": True} if suffix == "webp" else {}
    path = save(
        tmp_path / f"a.{suffix}", half_and_half(), exif=exif_of(6, SENSELESS[name]), **lossless
    )
    rgb = load_image(path)
    assert rgb.shape == (20, 10, 3)
    assert rgb[2, 5, 0] > 200
    assert rgb[17, 5, 2] > 200


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Pillow's own turning of a plain file is the oracle."""
    image = Image.fromarray(
        np.random.default_rng(5).integers(0, 255, (6, 9, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", image, exif=exif, quality=95)
    with Image.open(path) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    assert np.array_equal(load_image(path), expected)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path, value: int) -> None:
    path = save(tmp_path / "a.png", half_and_half(), exif=exif_of(value))
    assert load_image(path).shape == (10, 20, 3)


def test_postscript_starts_no_other_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *args, **_: started.append(args))
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"
    for name in ("a.eps", "a.png"):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(InputError, match="not an image"):
            load_image(tmp_path / name)
    assert not started


def test_phone_photos_are_told_by_their_name(tmp_path: Path) -> None:
    box = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
    for name in ("a.heic", "a.jpg"):
        (tmp_path / name).write_bytes(box)
        with pytest.raises(InputError, match="HEIC photo") as caught:
            load_image(tmp_path / name)
        assert "JPEG" in caught.value.hint


def test_avif_is_named_where_pillow_was_built_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.avif", half_and_half())
    monkeypatch.setattr("soundreel.media.image.FORMATS", ("PNG",))
    with pytest.raises(InputError, match="AVIF image"):
        load_image(path)


def test_a_damaged_avif_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.avif", half_and_half().resize((200, 100)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError):
        load_image(path)


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for path in (tmp_path / "a.png", Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            load_image(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak")
def test_a_hundred_megapixels_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    rows = bytes(10_001) * 10_000  # one grey PNG row is a filter byte and its pixels
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    content = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows, 1))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content + png_chunk(b"IEND", b""))
    del rows, content
    with Image.open(tmp_path / "a.png") as image:
        save(tmp_path / "a.jpg", image.convert("RGB"), exif=exif_of(6))
    code = (  # VmHWM begins anew with a program; ru_maxrss counts the memory of its parent too
        "import sys; from pathlib import Path\n"
        "from soundreel.media.image import load_image\n"
        "load_image(Path(sys.argv[1]))\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.jpg")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) * 1024 < 1e9


@pytest.mark.parametrize(("side", "refused"), [(6300, False), (6400, True)])
def test_decoders_that_hold_more_copies_get_smaller_pictures(
    tmp_path: Path, side: int, refused: bool
) -> None:
    path = save(tmp_path / "a.webp", Image.new("RGB", (side, side)), quality=1, method=0)
    if refused:
        with pytest.raises(InputError, match="too large") as caught:
            load_image(path)
        assert "40 megapixels" in caught.value.hint
    else:
        assert load_image(path).shape == (side, side, 3)


def test_opacity_is_read_upright_and_none_where_nothing_is_clear(tmp_path: Path) -> None:
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[:10, :20, 3] = 200
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # lies on its side: the top left comes to the top right
    Image.fromarray(rgba).save(tmp_path / "turned.png", exif=exif)
    opacity = load_opacity(tmp_path / "turned.png")
    assert opacity is not None
    assert opacity.shape == (60, 40)
    assert opacity[5, 35] == 200
    assert opacity[5, 5] == 0
    rgba[..., 3] = 255
    Image.fromarray(rgba).save(tmp_path / "opaque.png")
    Image.fromarray(rgba[..., :3]).save(tmp_path / "rgb.jpg")
    for name in ("opaque.png", "rgb.jpg"):
        assert load_opacity(tmp_path / name) is None
    grey = np.zeros((20, 20), np.uint8)
    grey[:5] = 255
    Image.fromarray(grey).save(tmp_path / "palette.gif", transparency=255)
    cut = load_opacity(tmp_path / "palette.gif")
    assert cut is not None
    assert (cut[:5] == 0).all()
    assert (cut[5:] == 255).all()
