from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from soundreel.errors import WorkError
from soundreel.types import Encoding
from soundreel.video.writer import SegmentWriter, encoder_identity
from video_factory import (
    B_FRAMES,
    FAST,
    cv2_pictures,
    moving_scene,
    number_of,
    numbered,
    write_pieces,
)

RATES = [Fraction(16), Fraction("23.976"), Fraction(25), Fraction(30000, 1001), Fraction(60)]


def write(path: Path, count: int, fps: Fraction, encoding: Encoding = B_FRAMES) -> Path:
    with SegmentWriter(path, 96, 64, fps, encoding) as writer:
        for index in range(count):
            writer.write(numbered(index))
    return path


@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_every_picture_lies_exactly_on_the_frame_grid(
    tmp_path: Path, fps: Fraction, count: int
) -> None:
    path = write(tmp_path / "p.mp4", count, fps)
    with av.open(str(path)) as container:
        times = sorted(
            packet.pts * packet.time_base
            for packet in container.demux(video=0)
            if packet.pts is not None
        )
    assert times == [index / fps for index in range(count)]


@pytest.mark.parametrize("encoding", [FAST, B_FRAMES, Encoding(0, "medium")])
def test_another_decoder_sees_every_picture_in_order(tmp_path: Path, encoding: Encoding) -> None:
    pictures = cv2_pictures(write(tmp_path / "p.mp4", 23, Fraction(16), encoding))
    assert [number_of(picture) for picture in pictures] == list(range(23))


def test_same_pictures_give_same_bytes_ten_times(tmp_path: Path) -> None:
    pictures = [moving_scene(index / 16) for index in range(30)]
    hashes = set()
    for run in range(10):
        with SegmentWriter(tmp_path / f"{run}.mp4", 208, 304, Fraction(16), B_FRAMES) as writer:
            for picture in pictures:
                writer.write(picture)
        hashes.add(hashlib.sha256(writer.path.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_same_pictures_give_same_bytes_in_another_process(tmp_path: Path) -> None:
    here = write(tmp_path / "here.mp4", 30, Fraction(16))
    code = (
        "import sys; from pathlib import Path; from fractions import Fraction;"
        "import video_factory; from soundreel.types import Encoding;"
        "video_factory.write_pieces(Path(sys.argv[1]), [30], Fraction(16))"
    )
    tests = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=tests, check=True)
    assert (tmp_path / "piece0.mp4").read_bytes() == here.read_bytes()


def test_flat_colours_come_back_from_another_decoder(tmp_path: Path) -> None:
    colours = [(200, 60, 30), (20, 220, 90), (128, 128, 128), (0, 0, 0), (255, 255, 255)]
    picture = np.repeat(np.array(colours, np.uint8), 32, axis=0)[None].repeat(64, axis=0)
    with SegmentWriter(tmp_path / "c.mp4", 160, 64, Fraction(16), B_FRAMES) as writer:
        for _ in range(3):
            writer.write(picture)
    with av.open(str(tmp_path / "c.mp4")) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        tags = (
            context.color_primaries,
            context.color_trc,
            context.colorspace,
            context.color_range,
        )
    assert tags == (1, 1, 1, 1)
    planes = [
        np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, -1) for plane in frame.planes
    ]
    for index, colour in enumerate(colours):
        x = index * 32 + 16
        y, cb, cr = (float(planes[k][8, x // (2 if k else 1)]) for k in range(3))
        assert np.allclose(bt709(y, cb, cr), colour, atol=3)


def bt709(y: float, cb: float, cr: float) -> tuple[float, float, float]:
    """ITU-R BT.709, limited range, to RGB."""
    light, blue, red = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    r, b = light + 1.5748 * red, light + 1.8556 * blue
    g = (light - 0.2126 * r - 0.0722 * b) / 0.7152
    return r * 255, g * 255, b * 255


def test_pictures_need_not_lie_in_one_block_of_memory(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path / "v.mp4", 96, 64, Fraction(16), B_FRAMES) as writer:
        writer.write(numbered(5)[:, ::-1][:, ::-1])
    assert [number_of(picture) for picture in cv2_pictures(tmp_path / "v.mp4")] == [5]


@pytest.mark.parametrize(
    "picture", [np.zeros((64, 98, 3), np.uint8), np.zeros((64, 96, 3), np.float32)]
)
def test_a_picture_of_another_shape_is_refused(tmp_path: Path, picture: np.ndarray) -> None:
    with (
        pytest.raises(ValueError, match="want"),
        SegmentWriter(tmp_path / "p.mp4", 96, 64, Fraction(16), B_FRAMES) as writer,
    ):
        writer.write(picture)


def test_a_failing_engine_leaves_no_half_piece(tmp_path: Path) -> None:
    def broken() -> None:
        with SegmentWriter(tmp_path / "p.mp4", 96, 64, Fraction(16), B_FRAMES) as writer:
            writer.write(numbered(0))
            raise RuntimeError("engine")

    with pytest.raises(RuntimeError, match="engine"):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_a_piece_without_pictures_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="no picture"):
        write(tmp_path / "p.mp4", 0, Fraction(16))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="cannot write") as caught:
        write(tmp_path / "none" / "p.mp4", 1, Fraction(16))
    assert "folder" in caught.value.hint


def test_a_name_with_a_colon_and_a_leading_dash_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("-a: b ü.mp4"), 4, Fraction(16))
    assert len(cv2_pictures(tmp_path / "-a: b ü.mp4")) == 4


def test_pieces_of_any_length_share_their_header(tmp_path: Path) -> None:
    headers = set()
    for piece in write_pieces(tmp_path, [1, 2, 3, 30], Fraction(16)):
        with av.open(str(piece)) as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    assert len(headers) == 1


def test_identity_names_the_encoder_and_its_fixed_options() -> None:
    assert "libavcodec" in encoder_identity(Encoding())
    assert "cpu-independent=1" in encoder_identity(Encoding())
