"""Title, artist, date, the picture that file managers show, and the thumbnail."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import oracle
from delivery.covers import KINDS, album
from delivery.test_cover import halves
from fakes import frames_of
from media_factory import sine, write_audio
from soundreel.api import generate, plan
from soundreel.config import Settings
from soundreel.errors import InputError, WorkError
from soundreel.types import Encoding, Request
from soundreel.video.labels.boxes import add_label
from soundreel.video.labels.words import LONGEST, read_words
from soundreel.video.reader import probe_video, read_tags


def video(audio: Path, output: Path, **changes: object) -> Request:
    values = {"engine": "fake", "width": 64, "height": 48, "seed": 1, "num_frames": 30}
    return Request(audio=audio, output=output, **{**values, **changes})  # type: ignore[arg-type]


def poster_of(path: Path) -> np.ndarray | None:
    """What a program that is not ours finds attached, RGB."""
    with av.open(str(path)) as container:
        if len(container.streams.video) < 2:
            return None
    png = oracle.run_ffmpeg("-i", path, "-map", "0:v:1", "-c:v", "png", "-f", "image2pipe", "-")
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("sound", KINDS)
def test_words_are_read_on_one_line_and_cannot_act(tmp_path: Path, sound: str) -> None:
    words = read_words(album(tmp_path, sound))
    assert words["title"] == "Two halves"
    assert words["artist"] == "The Ärtists\\u202e 2nd line"
    assert words["date"] == "2021"


def test_words_are_bounded_and_only_those_that_there_are(tmp_path: Path) -> None:
    plain = write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000)
    assert read_words(plain) == {}
    long = oracle.make(tmp_path / "b.mp3", "-i", plain, "-metadata", f"title={'x' * 5000}")
    assert read_words(long) == {"title": "x" * LONGEST}


@pytest.mark.parametrize("kind", ["mp4", "mov", "webm"])
def test_the_file_says_what_the_sound_says(tmp_path: Path, settings: Settings, kind: str) -> None:
    made = generate(video(album(tmp_path), tmp_path / f"a.{kind}"), settings)
    tags = read_tags(made.path)
    assert (tags["title"], tags["date"]) == ("Two halves", "2021")
    assert tags["soundreel"].startswith("{")
    assert len(frames_of(made.path)) == 30
    assert len(oracle.pictures(made.path, 64, 48)) == 30
    sound = oracle.decoded(made.path, 1)
    assert sound.shape[1] > 1.8 * 16000


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_the_cover_is_what_file_managers_show(
    tmp_path: Path, settings: Settings, kind: str
) -> None:
    made = generate(video(album(tmp_path), tmp_path / f"a.{kind}"), settings)
    shown = poster_of(made.path)
    assert shown is not None
    assert shown.shape == (80, 120, 3)
    assert halves(shown) == (True, True)
    info = probe_video(made.path)
    assert (info.width, info.height, info.num_frames) == (64, 48, 30)


def test_a_poster_is_the_picture_of_that_second(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = video(tone, tmp_path / "a.mp4", poster="1.6", thumbnail=True)
    made = generate(request, settings)
    assert made.thumbnail == tmp_path / "a.jpg"
    shown, picture = poster_of(made.path), frames_of(made.path)[25]
    assert shown is not None
    assert np.abs(shown.astype(int) - picture).mean() < 3
    beside = np.asarray(Image.open(tmp_path / "a.jpg"))
    assert np.abs(beside.astype(int) - picture).mean() < 3
    assert sorted(path.name for path in tmp_path.glob("a.*")) == ["a.jpg", "a.json", "a.mp4"]
    assert len([path for path in tmp_path.iterdir() if path.name.startswith(".sound")]) == 0


def test_none_and_a_sound_without_a_cover_change_no_byte(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    plain = generate(video(tone, tmp_path / "a.mp4"), settings).path
    assert b"covr" not in plain.read_bytes()
    song = generate(video(album(tmp_path), tmp_path / "b.mp4", poster="none"), settings).path
    assert poster_of(song) is None
    assert read_tags(song)["title"] == "Two halves"


def test_the_same_file_twice(tmp_path: Path, settings: Settings) -> None:
    request = video(album(tmp_path), tmp_path / "a.mp4", poster=Fraction(1))
    first = generate(request, settings).path.read_bytes()
    again = generate(request, settings, overwrite=True).path.read_bytes()
    assert first == again


def test_a_thumbnail_overwrites_nothing(tone: Path, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    request = video(tone, tmp_path / "a.mp4", thumbnail=True)
    with pytest.raises(InputError, match="where the thumbnail would go"):
        generate(request, settings)
    assert not (tmp_path / "a.mp4").exists()
    generate(request, settings, overwrite=True)
    assert Image.open(tmp_path / "a.jpg").size == (64, 48)
    Image.new("RGB", (20, 20)).save(tmp_path / "b.jpg")
    own = video(tone, tmp_path / "b.mp4", thumbnail=True, image=tmp_path / "b.jpg")
    with pytest.raises(InputError, match="made from"):
        generate(own, settings, overwrite=True)


def test_a_poster_beyond_the_end_or_without_a_place_is_refused(
    tone: Path, tmp_path: Path, settings: Settings
) -> None:
    request = video(tone, tmp_path / "a.mp4", poster=Fraction(2))
    with pytest.raises(InputError, match=r"the video is 1\.875 s long"):
        plan(request, settings)
    webm = replace(request, output=None, poster=Fraction(1), encoding=Encoding(container="webm"))
    with pytest.raises(InputError, match="holds no picture beside its own"):
        plan(webm, settings)
    assert generate(replace(webm, thumbnail=True), settings).path.with_suffix(".jpg").exists()


@pytest.mark.parametrize("wide", [False, True])
def test_offsets_follow_what_moves(tmp_path: Path, wide: bool) -> None:
    """A file of both forms of offset tables, where each points at its own chunk."""
    chunks = [b"first chunk.", b"second chunk", b"third chunk."]
    head = box(b"ftyp", b"isom")
    size = len(head + movie(table([0, 0, 0], wide=wide)))
    places = [size + 8 + index * 12 for index in range(3)]
    path = tmp_path / "a.mp4"
    path.write_bytes(head + movie(table(places, wide=wide)) + box(b"mdat", b"".join(chunks)))
    add_label(path, {"title": "é"}, b"\xff\xd8" + b"j" * 5000)
    data = path.read_bytes()
    start = data.index(b"co64" if wide else b"stco") + 12
    found = struct.unpack_from(">3Q" if wide else ">3I", data, start)
    assert [data[at : at + 12] for at in found] == chunks
    assert "é".encode() in data
    assert data.count(b"udta") == 1
    assert b"free tags" in data


def test_a_file_without_an_index_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(box(b"ftyp", b"isom"))
    with pytest.raises(WorkError, match="no box moov"):
        add_label(tmp_path / "a.mp4", {"title": "a"}, None)


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def table(places: list[int], *, wide: bool) -> bytes:
    form = ">II3Q" if wide else ">II3I"
    return box(b"co64" if wide else b"stco", struct.pack(form, 0, 3, *places))


def movie(offsets: bytes) -> bytes:
    inner = box(b"minf", box(b"stbl", box(b"stsd", b"") + offsets))
    tags = box(b"udta", box(b"meta", bytes(4) + b"free tags"))
    return box(b"moov", box(b"mvhd", bytes(8)) + box(b"trak", box(b"mdia", inner)) + tags)
