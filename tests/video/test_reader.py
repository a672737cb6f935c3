from __future__ import annotations

import random
import struct
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from media_factory import sine, write_audio, write_video
from soundreel.errors import InputError
from soundreel.types import Encoding, Rgb
from soundreel.video.reader import probe_video, read_frames, read_tags
from soundreel.video.writer import SegmentWriter
from video_factory import number_of, numbered, write_pieces

COLOURS = [(200, 60, 30), (20, 220, 90), (128, 128, 128), (30, 40, 240)]


def patches(height: int = 64) -> Rgb:
    return np.repeat(np.array(COLOURS, np.uint8), 32, axis=0)[None].repeat(height, axis=0)


def test_probe_tells_what_a_video_holds(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 20, Fraction(30000, 1001), samples=sine(0.7, channels=2))
    info = probe_video(path)
    assert (info.width, info.height, info.codec) == (64, 48, "h264")
    assert (info.fps, info.num_frames) == (Fraction(30000, 1001), 20)
    assert info.duration == pytest.approx(20 * 1001 / 30000, abs=1e-3)
    assert (info.audio_codec, info.audio_rate, info.audio_channels) == ("aac", 44100, 2)


def test_probe_counts_where_the_header_is_silent(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "v.mkv", 20, Fraction(25)))
    assert (info.num_frames, info.fps) == (20, Fraction(25))
    assert info.duration == pytest.approx(0.8, abs=2e-3)
    assert (info.audio_codec, info.audio_rate, info.audio_channels) == (None, 0, 0)


def test_frames_come_in_order_of_showing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [numbered(index) for index in range(30)])
    assert [number_of(picture) for picture in read_frames(path)] == list(range(30))


def test_our_own_colours_come_back_within_one_level(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path / "c.mp4", 128, 64, Fraction(16), Encoding(4)) as writer:
        writer.write(patches())
    _assert_patches(next(read_frames(tmp_path / "c.mp4")), 1)


CONVERSIONS = [
    # height, pixels, matrix, range, tagged
    (64, "yuv420p", 5, 1, False),  # untagged and small: BT.601
    (720, "yuv420p", 1, 1, False),  # untagged and high: BT.709
    (720, "yuv420p", 5, 1, True),
    (64, "yuv420p", 1, 1, True),
    (64, "yuvj420p", 5, 2, True),
    (64, "yuv420p", 1, 2, True),
    (64, "yuv444p", 1, 1, True),
    (64, "gbrp", 0, 2, True),
]


@pytest.mark.parametrize(("height", "pixels", "matrix", "extent", "tagged"), CONVERSIONS)
def test_colours_are_right_in_every_matrix_and_range(
    tmp_path: Path, height: int, pixels: str, matrix: int, extent: int, tagged: bool
) -> None:
    frame = av.VideoFrame.from_ndarray(patches(height), format="rgb24")
    with av.open(str(tmp_path / "p.mkv"), "w") as output:
        codec, wanted = ("libx264rgb", "rgb24") if pixels == "gbrp" else ("libx264", pixels)
        stream = output.add_stream(codec, rate=16, options={"crf": "4"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 128, height, wanted
        if pixels != "gbrp":
            frame = frame.reformat(format=pixels, dst_colorspace=matrix, dst_color_range=extent)
        if tagged and pixels != "gbrp":
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, extent
        else:
            frame.colorspace = 2
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    _assert_patches(next(read_frames(tmp_path / "p.mkv")), 2)


def _assert_patches(picture: Rgb, tolerance: int) -> None:
    assert picture.dtype == np.uint8
    for index, colour in enumerate(COLOURS):
        assert np.allclose(picture[32, index * 32 + 16].astype(int), colour, atol=tolerance)


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), -1), ((0, -1, 1, 0), 1)])
def test_a_phone_video_is_shown_upright(
    tmp_path: Path, matrix: tuple[int, ...], turns: int
) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 250  # a light corner, top left
    path = write_video(tmp_path / "v.mp4", [picture] * 2)
    path.write_bytes(_with_rotation(path.read_bytes(), matrix))
    shown = next(read_frames(path))
    assert shown.shape == (64, 48, 3)
    assert np.abs(shown.astype(int) - np.rot90(picture, turns)).mean() < 8
    info = probe_video(path)
    assert (info.width, info.height) == (48, 64)


def _with_rotation(data: bytes, matrix: tuple[int, ...]) -> bytes:
    """The display matrix lies 44 bytes into the track header (ISO/IEC 14496-12, tkhd)."""
    begin = data.index(b"tkhd") + 44
    a, b, c, d = (value * 65536 for value in matrix)
    return data[:begin] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[begin + 36 :]


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song, cover_file = write_audio(tmp_path / "s.mp3", sine(0.5)), tmp_path / "c.mp3"
    with av.open(str(song)) as source, av.open(str(cover_file), "w") as output:
        sound = output.add_stream_from_template(source.streams.audio[0])
        cover = output.add_stream("mjpeg", width=64, height=64, pix_fmt="yuvj420p")
        cover.disposition = Disposition.attached_pic
        for packet in source.demux(audio=0):
            if packet.pts is not None:
                packet.stream = sound
                output.mux(packet)
        output.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
        output.mux(cover.encode(None))
    with av.open(str(cover_file)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(InputError, match="no picture track"):
        probe_video(cover_file)


def test_tags_of_a_sound_file_can_be_read_too(tmp_path: Path) -> None:
    assert "soundreel" not in read_tags(write_audio(tmp_path / "s.m4a", sine(0.2)))


def test_tags_in_another_encoding_do_not_keep_a_video_from_being_read(tmp_path: Path) -> None:
    path = tmp_path / "t.mkv"
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "GRUESSE"
        stream = output.add_stream("libx264", rate=16, width=64, height=48)
        output.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        output.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"GRUESSE", b"GR\xfcESSE"))
    assert probe_video(path).tags["title"].startswith("GR")
    assert read_tags(path)["title"] == "GR\N{REPLACEMENT CHARACTER}ESSE"


def _bad_files(folder: Path) -> dict[str, Path]:
    good = write_video(folder / "good.mp4", 30)
    bad = {name: folder / name for name in ("none.mp4", "folder", "empty.mp4", "text.mp4")}
    bad["folder"].mkdir()
    bad["empty.mp4"].touch()
    bad["text.mp4"].write_text("not a video\n" * 50)
    bad["sound"] = write_audio(folder / "s.wav", sine(0.5))
    bad["broken off"] = folder / "half.mp4"
    bad["broken off"].write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    return bad


@pytest.mark.parametrize(
    "kind", ["none.mp4", "folder", "empty.mp4", "text.mp4", "sound", "broken off"]
)
def test_what_is_no_video_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    path = _bad_files(tmp_path)[kind]
    with pytest.raises(InputError) as caught:
        probe_video(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    with pytest.raises(InputError):
        list(read_frames(path))


def test_a_video_that_breaks_off_in_its_pictures_is_an_error(tmp_path: Path) -> None:
    pieces = write_pieces(tmp_path, [40], Fraction(16), size=(208, 304))
    data = pieces[0].read_bytes()
    index, pictures = data.index(b"moov") - 4, data.index(b"mdat") - 4
    assert pictures < index
    box = struct.unpack(">I", data[pictures : pictures + 4])[0]
    kept = data[: pictures + box // 2]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(kept + data[index:])
    with pytest.raises(InputError):
        list(read_frames(cut))


def test_damaged_videos_give_only_our_own_errors(tmp_path: Path) -> None:
    chance = random.Random(4)
    originals = [
        write_video(tmp_path / "a.mp4", 12, samples=sine(0.5)).read_bytes(),
        write_video(tmp_path / "b.mkv", 12).read_bytes(),
    ]
    path = tmp_path / "fuzzed"
    for round_number in range(120):
        data = bytearray(originals[round_number % 2])
        for _ in range(chance.choice([1, 8, 64])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        for look in (probe_video, read_tags, lambda path: list(read_frames(path))):
            with suppress(InputError):
                look(path)
