"""A video as MOV, WebM, GIF and WebP: what other programs read, and what comes back of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.layout import AudioLayout
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import oracle
from media_factory import sine
from soundreel.api import generate
from soundreel.audio.load import probe
from soundreel.config import Settings
from soundreel.errors import InputError, WorkError
from soundreel.events import Event, Notice, RunControl
from soundreel.finished.replay import replay_request, with_form
from soundreel.types import Encoding, Request, with_values
from soundreel.video import mux
from soundreel.video.animated.strip import delay, stamp
from soundreel.video.containers import with_container
from soundreel.video.reader import read_tags
from video_factory import number_of, sound_clip, write_layout, write_pieces

KINDS = ("mov", "webm", "gif", "webp")
SILENT = ("gif", "webp")
LENGTHS = (1, 7, 2, 10)
COUNT = sum(LENGTHS)
FPS = Fraction(24)
TAGS = {"soundreel": '{"a":"<é> & \\"b\\""}' + "x" * 600}


def encoding_of(kind: str) -> Encoding:
    request = with_container(Request(audio=Path("a.wav"), encoding=Encoding(container=kind)))
    return request.encoding


def finished(folder: Path, kind: str, fps: Fraction = FPS) -> Path:
    encoding = encoding_of(kind)
    pieces = write_pieces(folder, LENGTHS, fps, encoding)
    samples = sine(float(COUNT / fps) + 0.1, rate=44100, channels=2)
    clip = sound_clip(folder, samples, 44100, COUNT, fps)
    path = folder / f"out.{kind}"
    mux.finish(pieces, clip, path, fps, TAGS, RunControl(), encoding)
    mux.verify(path, COUNT, fps, 96, 64, COUNT / fps, encoding)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30000, 1001)], ids=str)
def test_another_program_sees_every_picture_in_order(
    tmp_path: Path, kind: str, fps: Fraction
) -> None:
    seen = oracle.pictures(finished(tmp_path, kind, fps), 96, 64)
    assert [number_of(picture) for picture in seen] == list(range(COUNT))


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_comes_back(tmp_path: Path, kind: str) -> None:
    assert read_tags(finished(tmp_path, kind))["soundreel"] == TAGS["soundreel"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_file_twice(tmp_path: Path, kind: str) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    assert len({finished(folder, kind).read_bytes() for folder in folders}) == 1


@pytest.mark.parametrize("kind", ["mov", "webm"])
def test_nothing_of_the_sound_is_lost(tmp_path: Path, kind: str) -> None:
    sound = oracle.decoded(finished(tmp_path, kind), 2)
    rate = {"mov": 44100, "webm": 48000}[kind]
    expected = sine(float(COUNT / FPS), rate=rate, channels=2)
    assert sound.shape[1] == pytest.approx(expected.shape[1], abs=1 if kind == "webm" else 1024)
    middle = slice(rate // 10, rate // 2)
    error = sound[:, middle] - expected[:, middle]
    assert float(np.abs(error).max()) < 0.05


@pytest.mark.parametrize(
    "layout",
    [
        "stereo",
        "3.0",
        "quad",
        "4.0",
        "2.1",
        "3.0(back)",
        "5.0",
        "5.0(side)",
        "5.1",
        "5.1(side)",
        "6.1",
        "7.1",
    ],
)
def test_every_channel_comes_out_where_its_speaker_stands(tmp_path: Path, layout: str) -> None:
    names = [channel.name for channel in AudioLayout(layout).channels]
    hertz = {name: 50 + 9 * index for index, name in enumerate(names)}  # the LFE takes no more
    times = np.arange(2 * 44100) / 44100
    tones = np.stack([0.1 * np.sin(2 * np.pi * hertz[name] * times) for name in names])
    source = write_layout(tmp_path / "s.flac", tones.astype(np.float32), layout)
    clip = replace(probe(source).clip, duration=Fraction(2), sound_duration=Fraction(2))
    encoding = encoding_of("webm")
    pieces = write_pieces(tmp_path, [48], FPS, encoding)
    path = tmp_path / "out.webm"
    mux.finish(pieces, clip, path, FPS, {}, RunControl(), encoding)
    mux.verify(path, 48, FPS, 96, 64, Fraction(2), encoding)
    with av.open(str(path)) as container:
        stored = [channel.name for channel in container.streams.audio[0].layout.channels]
    sound = oracle.decoded(path, len(stored))
    twins = {"BL": "SL", "BR": "SR", "SL": "BL", "SR": "BR", "BC": "BL"}
    for name in names:
        channel = sound[stored.index(name if name in stored else twins[name]), 4800:91200]
        strength = np.abs(np.fft.rfft(channel * np.hanning(channel.size)))
        assert np.argmax(strength) * 48000 / channel.size == pytest.approx(hertz[name], abs=1)


@given(st.fractions(1, 90), st.integers(1, 5000), st.sampled_from([100, 1000]))
def test_no_picture_and_no_sum_is_off_by_more_than_half_a_tick(
    fps: Fraction, count: int, ticks: int
) -> None:
    tick = Fraction(1, ticks)
    assert abs(stamp(count, fps, tick) * tick - count / fps) <= tick / 2
    assert delay(count - 1, fps, tick) == stamp(count, fps, tick) - stamp(count - 1, fps, tick)


@pytest.mark.parametrize(
    ("kind", "most"), [("gif", Fraction(5, 1000)), ("webp", Fraction(1, 2000))]
)
@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30000, 1001), Fraction(50)], ids=str)
def test_delays_of_a_silent_file_add_up(
    tmp_path: Path, kind: str, most: Fraction, fps: Fraction
) -> None:
    with Image.open(finished(tmp_path, kind, fps)) as image:
        assert getattr(image, "n_frames", 1) == COUNT
        assert image.info["loop"] == 0
        total = Fraction(0)
        for index in range(COUNT):
            image.seek(index)
            image.load()
            total += Fraction(image.info["duration"], 1000)
            assert image.info["duration"] >= 20
    assert abs(total - COUNT / fps) <= most


def test_webm_times_are_the_nearest_milliseconds(tmp_path: Path) -> None:
    with av.open(str(finished(tmp_path, "webm"))) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps == [stamp(index, FPS, Fraction(1, 1000)) for index in range(COUNT)]


@pytest.mark.parametrize("kind", SILENT)
def test_a_silent_file_that_is_cut_or_slow_is_found(tmp_path: Path, kind: str) -> None:
    path = finished(tmp_path, kind)
    encoding = encoding_of(kind)
    with pytest.raises(WorkError, match="pictures, not 21"):
        mux.verify(path, COUNT + 1, FPS, 96, 64, COUNT / FPS, encoding)
    with pytest.raises(WorkError, match="is shown"):
        mux.verify(path, COUNT, Fraction(25), 96, 64, COUNT / FPS, encoding)
    with pytest.raises(WorkError, match="size 96x64"):
        mux.verify(path, COUNT, FPS, 98, 64, COUNT / FPS, encoding)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WorkError, match="did not come out right"):
        mux.verify(path, COUNT, FPS, 96, 64, COUNT / FPS, encoding)
    assert read_tags_or_nothing(path).keys() <= {"soundreel"}


def read_tags_or_nothing(path: Path) -> dict[str, str]:
    try:
        return read_tags(path)
    except InputError:
        return {}


@pytest.mark.parametrize(
    "head", [b"GIF89a", b"RIFF\xff\xff\xff\xffWEBP", b"GIF89a" + b"\xff" * 900]
)
def test_a_broken_silent_file_has_no_record(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(head)
    assert read_tags_or_nothing(path) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_of_every_kind_is_made_again_from_itself(
    tone: Path, tmp_path: Path, settings: Settings, kind: str
) -> None:
    said: list[Event] = []
    request = Request(
        audio=tone, engine="fake", width=64, height=48, seed=3, duration=Fraction(2),
        output=tmp_path / f"a.{kind}",
    )  # fmt: skip
    made = generate(request, settings, control=RunControl(said.append))
    again = replay_request(made.path, None, None)
    assert again.encoding.container == kind
    other = generate(replace(again, output=tmp_path / f"b.{kind}"), settings)
    assert _digest(made.path) == _digest(other.path)
    notices = [event.message for event in said if isinstance(event, Notice)]
    assert any({"gif": "no sound", "webp": "no sound", "webm": "Opus", "mov": ""}[kind] in one
               for one in ["", *notices])  # fmt: skip


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_automatic_name_ends_as_its_container(tone: Path, settings: Settings) -> None:
    request = Request(audio=tone, engine="fake", width=64, height=48, num_frames=4)
    chosen = replace(request, encoding=Encoding(container="gif"))
    assert generate(chosen, settings).path.suffix == ".gif"
    assert generate(request, settings).path.suffix == ".mp4"


@pytest.mark.parametrize(
    ("output", "values", "words"),
    [
        ("a.mp4", {"container": "webm"}, r"does not end in \.webm"),
        ("a.avi", {}, r"does not end in \.mp4"),
        ("a.webm", {"codec": "h264"}, "webm holds av1 pictures"),
        ("a.mov", {"codec": "av1"}, "mov holds h264, h265 pictures"),
        ("a.mov", {"audio_codec": "flac"}, "mov holds no such sound"),
        ("a.webm", {"audio_codec": "copy"}, "webm holds no such sound"),
        ("a.gif", {"audio_codec": "alac"}, "gif holds no sound"),
    ],
)
def test_what_a_container_cannot_hold_is_refused(
    output: str, values: dict[str, str], words: str
) -> None:
    encoding = Encoding(**values)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        with_container(Request(audio=Path("a.wav"), output=Path(output), encoding=encoding))


@pytest.mark.parametrize(("kind", "fps"), [("gif", 60), ("webp", 120)])
def test_a_rate_that_browsers_slow_down_is_refused(
    tone: Path, settings: Settings, kind: str, fps: int
) -> None:
    request = Request(
        audio=tone,
        engine="fake",
        width=64,
        height=48,
        fps=Fraction(fps),
        interpolate="flow",
        encoding=Encoding(container=kind),
    )
    with pytest.raises(InputError, match="pictures a second"):
        generate(request, settings)


def test_a_replayed_video_takes_another_form_by_its_new_name() -> None:
    base = with_container(Request(audio=Path("a.wav"), output=Path("a.mp4")))
    base = replace(base, output=None, encoding=replace(base.encoding, crf=18))

    def changed(**changes: object) -> Encoding:
        paths = {path.replace("__", "."): value for path, value in changes.items()}
        return with_container(with_values(base, with_form(base, paths))).encoding

    assert changed(output="b.webm").codec == "av1"
    assert changed(output="b.webm").crf is None
    assert changed(encoding__container="webm").codec == "av1"
    assert changed(encoding__codec="h265").crf is None
    assert changed(output="b.mp4") == base.encoding
    assert changed(output="b.gif", encoding__crf=10).crf == 10
