"""Pictures as H.265 and AV1: exact times, right colours, the same bytes, pieces that join."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import oracle
from fakes import sidecar_of
from media_factory import sine
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import Event, FrameDone, Notice, RunControl
from soundreel.types import Encoding, Request
from soundreel.video import encoders, mux
from soundreel.video.encoders import settled
from soundreel.video.writer import SegmentWriter, encoder_identity
from video_factory import moving_scene, number_of, sound_clip, write_pieces

CODECS = ("h265", "av1")
LENGTHS = (1, 2, 3, 17, 1, 9, 2)
COUNT = sum(LENGTHS)


def finished(folder: Path, codec: str, fps: Fraction = Fraction(16)) -> Path:
    encoding = Encoding(codec=codec)
    pieces = write_pieces(folder, LENGTHS, fps, encoding)
    samples = sine(float(COUNT / fps) + 0.1, rate=44100, channels=2)
    clip = sound_clip(folder, samples, 44100, COUNT, fps)
    mux.finish(pieces, clip, folder / "out.mp4", fps, {"a": "b"}, RunControl(), encoding)
    mux.verify(folder / "out.mp4", COUNT, fps, 96, 64, COUNT / fps, encoding)
    return folder / "out.mp4"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30000, 1001)], ids=str)
def test_pieces_of_any_length_join_on_the_exact_frame_grid(
    tmp_path: Path, codec: str, fps: Fraction
) -> None:
    path = finished(tmp_path, codec, fps)
    seen = oracle.pictures(path, 96, 64)
    assert [number_of(picture) for picture in seen] == list(range(COUNT))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        stamps = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
        assert sorted(pts * stream.time_base for pts in stamps) == [
            index / fps for index in range(COUNT)
        ]


@pytest.mark.parametrize(("codec", "tag"), [("h265", "hvc1"), ("av1", "av01")])
def test_players_are_told_codec_and_colours(tmp_path: Path, codec: str, tag: str) -> None:
    with av.open(str(finished(tmp_path, codec))) as container:
        context = container.streams.video[0].codec_context
        assert context.codec_tag == tag
        colours = (context.color_primaries, context.color_trc, context.colorspace)
        assert (*colours, context.color_range, context.pix_fmt) == (1, 1, 1, 1, "yuv420p")


@pytest.mark.parametrize("codec", CODECS)
def test_flat_colours_come_back_from_another_decoder(tmp_path: Path, codec: str) -> None:
    colours = [(200, 60, 30), (20, 220, 90), (128, 128, 128), (0, 0, 0), (255, 255, 255)]
    picture = np.repeat(np.array(colours, np.uint8), 32, axis=0)[None].repeat(64, axis=0)
    with SegmentWriter(tmp_path / "c.mp4", 160, 64, Fraction(16), Encoding(codec=codec)) as writer:
        for _ in range(3):
            writer.write(picture)
    seen = oracle.pictures(writer.path, 160, 64)
    assert len(seen) == 3
    for index, colour in enumerate(colours):
        assert np.allclose(seen[-1][8, index * 32 + 16], colour, atol=4)


@pytest.mark.parametrize("codec", CODECS)
def test_same_pictures_give_same_bytes_on_one_core_and_on_many(tmp_path: Path, codec: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from fractions import Fraction;"
        "from test_codecs import write_scene; os.sched_setaffinity(0, {int(sys.argv[3])})"
        "if sys.argv[3] else None; write_scene(Path(sys.argv[1]), sys.argv[2])"
    )
    cores = ["", "", str(min(os.sched_getaffinity(0)))] if hasattr(os, "sched_setaffinity") else []
    digests = set()
    for run, core in enumerate(["", *cores]):
        path = tmp_path / f"{run}.mp4"
        subprocess.run([sys.executable, "-c", code, path, codec, core], check=True, env=_paths())
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 128)], ids=str)
def test_small_pictures_give_the_same_bytes_too(
    tmp_path: Path, codec: str, size: tuple[int, int]
) -> None:
    """x265 differs from run to run where one row or column of its units is all of a picture."""
    pictures = [np.ascontiguousarray(moving_scene(index / 16, size)) for index in range(40)]
    digests = set()
    for run in range(4):
        path = tmp_path / f"{run}.mp4"
        with SegmentWriter(path, *size, Fraction(16), Encoding(codec=codec)) as writer:
            for picture in pictures:
                writer.write(picture)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_h265_is_refused_where_its_bytes_would_not_be_the_same(
    tone: Path, settings: Settings
) -> None:
    request = Request(
        audio=tone, engine="fake", width=96, height=62, encoding=Encoding(codec="h265")
    )
    with pytest.raises(InputError, match="at least 64x64 here, not 96x62"):
        generate(request, settings)


def write_scene(path: Path, codec: str) -> None:
    with SegmentWriter(path, 208, 304, Fraction(16), Encoding(codec=codec)) as writer:
        for index in range(40):
            writer.write(moving_scene(index / 16))


def _paths() -> dict[str, str]:
    here = Path(__file__).parent
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent), *sys.path])}


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_of_another_codec_is_not_passed(tmp_path: Path, codec: str) -> None:
    path = finished(tmp_path, codec)
    with pytest.raises(WorkError, match=r"pictures, not h264"):
        mux.verify(path, COUNT, Fraction(16), 96, 64, COUNT / Fraction(16))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("crf", [0, 51])
def test_both_ends_of_the_scale_can_be_had(tmp_path: Path, codec: str, crf: int) -> None:
    [piece] = write_pieces(tmp_path, [5], Fraction(16), Encoding(crf, "ultrafast", codec=codec))
    assert len(oracle.pictures(piece, 96, 64)) == 5


def test_quality_that_is_not_given_is_settled_by_the_codec() -> None:
    assert [settled(Encoding(codec=codec)).crf for codec in ("h264", "h265", "av1")] == [18, 20, 26]
    assert settled(Encoding(30, codec="av1")).crf == 30


def test_the_identity_names_the_encoder_and_what_it_is_told() -> None:
    assert "libx265 pools=4" in encoder_identity(Encoding(codec="h265"))
    assert "libsvtav1 lp=2" in encoder_identity(Encoding(codec="av1"))
    with pytest.raises(InputError, match="codec='vp9'"):
        Encoding(codec="vp9")


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """x264 in the place of a card's encoder: no machine of the tests has one."""
    cpu = encoders._ENCODERS["cpu"]["h264"]
    monkeypatch.setitem(encoders._ENCODERS["nvenc"], "h264", replace(cpu, settings={}))


def test_a_cards_encoder_resumes_and_stands_in_the_record(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    encoding = Encoding(encoder="nvenc")
    output = tmp_path / "a.mp4"
    request = Request(
        audio=tone, engine="fake", width=64, height=48, encoding=encoding, output=output
    )
    control = RunControl()
    said: list[Event] = []

    def stop_late(event: Event) -> None:
        said.append(event)
        if isinstance(event, FrameDone) and event.done == 45:
            control.cancel()

    control.on_event = stop_late
    with pytest.raises(Cancelled):
        generate(request, settings, control=control)
    assert any(isinstance(one, Notice) and "same bytes" in one.message for one in said)
    assert generate(request, settings).resumed_chunks > 0
    record = sidecar_of(output)
    assert record["request"]["encoding"]["encoder"] == "nvenc"  # type: ignore[index]


def test_a_card_that_lacks_the_encoder_is_told_before_the_job(
    tone: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = replace(encoders._ENCODERS["nvenc"]["h264"], name="h264_nobody")
    monkeypatch.setitem(encoders._ENCODERS["nvenc"], "h264", nobody)
    request = Request(audio=tone, engine="fake", encoding=Encoding(encoder="nvenc"))
    with pytest.raises(InputError, match="h264_nobody does not work here at 832x1216"):
        generate(request, settings)
    assert not settings.work_dir.exists() or not list(settings.work_dir.glob("*/"))


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_what_a_card_is_told_are_options_that_ffmpeg_knows(codec: str) -> None:
    encoding = Encoding(codec=codec, encoder="nvenc", crf=30)
    encoder = encoders.encoder_for(encoding)
    told = oracle.run_ffmpeg("-h", f"encoder={encoder.name}").decode()
    if "AVOptions" not in told:
        pytest.skip("this ffmpeg was built without it")
    own = set(encoder.options(encoding)) - {"b", "bf"}  # those of every encoder
    assert own == {"preset", "cq", "rc", "forced-idr"}
    assert own <= set(re.findall(r"^  -([a-z-]+) ", told, re.MULTILINE))
    for name in ("vbr", encoder.options(encoding)["preset"]):
        assert re.search(rf"^     {name} ", told, re.MULTILINE)
