"""Words as a track of subtitles beside the pictures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from media_factory import sine, write_audio
from soundreel import interpolate
from soundreel.api import generate
from soundreel.config import Settings
from soundreel.errors import InputError, WorkError
from soundreel.types import Request
from soundreel.words.track import HEADER, verify
from video_factory import moving_scene

LRC = "[00:00.50]early\n[00:01.10]one & <two\n[00:01.30]\n[00:01.5004]näh\n[00:09.00]late\n"
SHOWN = [(0, 100, "early"), (100, 200, "one & <two"), (500, 500, "näh")]
"""Of [1, 2) s: begin and length in milliseconds."""


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    sound = write_audio(tmp_path / "a.wav", sine(3, rate=16000), rate=16000)
    (tmp_path / "a.lrc").write_text(LRC, encoding="utf-8")
    return Request(
        audio=sound, start=1, duration=1, size="64x64", engine="preview", seed=1,
        lyrics=tmp_path / "a.lrc", lyrics_mode="soft", output=tmp_path / "v.mp4",
    )  # fmt: skip


def with_output(request: Request, path: Path) -> Request:
    return replace(request, output=path)


def shown(path: Path) -> list[tuple[int, int, str]]:
    """As FFmpeg's own decoder reads the track; the text stands last in a line of SSA."""
    found = []
    with av.open(str(path)) as container:
        [track] = container.streams.subtitles
        for packet in container.demux(track):
            for subtitle in packet.decode() if packet.size else ():
                text = getattr(subtitle, "ass", b"").decode().split(",", 8)[-1]
                if text:
                    assert packet.pts is not None
                    times = (packet.pts, packet.duration or 0)
                    begin, length = (round(each * packet.time_base * 1000) for each in times)
                    found.append((begin, length, text))
    return found


@pytest.mark.parametrize("ending", ["mp4", "mov", "webm"])
def test_a_track_holds_the_words(
    request_of: Request, tmp_path: Path, settings: Settings, ending: str
) -> None:
    made = generate(with_output(request_of, tmp_path / f"v.{ending}"), settings)
    texts = [(begin, length, text.replace("\\h", " ")) for begin, length, text in shown(made.path)]
    assert texts == SHOWN
    with av.open(str(made.path)) as container:
        assert container.streams.subtitles[0].language in (None, "und")


def test_pictures_and_sound_are_those_without_words_and_a_second_run_gives_the_same_bytes(
    request_of: Request, tmp_path: Path, settings: Settings
) -> None:
    made = generate(request_of, settings).path
    again = generate(with_output(request_of, tmp_path / "w.mp4"), settings).path
    assert made.read_bytes() == again.read_bytes()
    bare = replace(request_of, lyrics=None, lyrics_mode="burn", output=tmp_path / "b.mp4")

    def packets(path: Path) -> list[tuple[int, int | None, bytes]]:
        with av.open(str(path)) as container:
            streams = [*container.streams.video, *container.streams.audio]
            return [
                (packet.stream_index, packet.pts, bytes(packet))
                for packet in container.demux(streams)
            ]

    assert packets(made) == packets(generate(bare, settings).path)


def test_a_cover_and_a_track_stand_in_one_file(
    request_of: Request, tmp_path: Path, settings: Settings
) -> None:
    made = generate(replace(request_of, poster=Fraction(1, 2), title="T"), settings).path
    assert [text for _, _, text in shown(made)] == [text for _, _, text in SHOWN]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": "v.gif"}, "gif holds no subtitles"),
        ({"output": "v.webp"}, "webp holds no subtitles"),
        ({"lyrics": None}, "there are no words for a track"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    request_of: Request, tmp_path: Path, settings: Settings, changes: dict[str, str], said: str
) -> None:
    if "output" in changes:
        changes = {"output": str(tmp_path / changes["output"])}
    with pytest.raises(InputError, match=said):
        generate(replace(request_of, **changes), settings)  # type: ignore[arg-type]
    assert not list((tmp_path / "work").glob("*/chunk*"))


def test_a_file_whose_track_is_another_is_found_out(
    request_of: Request, settings: Settings
) -> None:
    made = generate(request_of, settings)
    clip, cues = made.plan.audio, made.plan.subtitles
    verify(made.path, cues, clip)
    later = replace(cues[1], start=cues[1].start + Fraction(1, 100))
    for wrong in ((), cues[:1], (cues[0], later, cues[2])):
        with pytest.raises(WorkError, match="its subtitles are not"):
            verify(made.path, wrong, clip)


def test_another_rate_keeps_the_track(request_of: Request, settings: Settings) -> None:
    made = generate(request_of, settings).path
    doubled = interpolate(made, output=made.with_name("d.mp4"), settings=settings).path
    assert shown(doubled) == shown(made)


def test_subtitles_that_cannot_be_kept_are_told_at_once(tmp_path: Path, settings: Settings) -> None:
    video = tmp_path / "a.mkv"
    with av.open(str(video), "w") as container:
        pictures = container.add_stream("libx264", rate=16, width=64, height=64)
        assert isinstance(pictures, av.VideoStream)
        pictures.pix_fmt = "yuv420p"
        track = container.add_stream("subrip")
        track.codec_context.subtitle_header = HEADER
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(moving_scene(index / 16, (64, 64)), format="rgb24")
            container.mux(pictures.encode(frame))
        packet = av.Packet(b"words")
        packet.stream, packet.pts, packet.dts, packet.duration = track, 0, 0, 100
        packet.time_base = Fraction(1, 1000)
        container.mux(packet)
        container.mux(pictures.encode(None))
    with pytest.raises(InputError, match="SRT subtitles cannot stay as they are in an MP4"):
        interpolate(video, output=tmp_path / "b.mp4", settings=settings)
