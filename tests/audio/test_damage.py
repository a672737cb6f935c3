"""Bad input: one clear sentence and a hint, and what decodes only where the user says so."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from media_factory import RATE, click_track, features_of, noise, sine, write_audio, write_video
from soundreel.audio.load import probe
from soundreel.audio.segment import read, stream
from soundreel.errors import InputError


def refused(path: Path) -> InputError:
    """The InputError that every reader of sound gives for this file."""
    with pytest.raises(InputError) as caught:
        probe(path)
    for use in (
        lambda: read(path, Fraction(0), Fraction(1)),
        lambda: features_of(path, Fraction(0), Fraction(16), 16),
    ):
        with pytest.raises(InputError):
            use()
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_missing_file_folder_and_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert "no such file" in refused(tmp_path / "away.wav").message
    assert "is a folder" in refused(tmp_path).message
    assert "is empty (0 bytes)" in refused(tmp_path / "empty.wav").message


def test_names_that_cannot_be_files(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path / ("x" * 5000)).message
    assert "cannot read" in refused(Path("a\0b.wav")).message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "not a regular file" in refused(tmp_path / "pipe.wav").message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(0.1))
    path.chmod(0)
    assert "ermission" in refused(path).message


def test_permission_errors_are_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audio(tmp_path / "a.wav", sine(0.1))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refused(path).message


@pytest.mark.parametrize(
    "content", [b"hello, this is text\n" * 99, b"\0" * 5000, b"RIFF", b"<?xml"]
)
def test_text_and_rubbish_given_as_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert str(path) in refused(path).message


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "picture.wav"])
def test_a_picture_given_as_sound(tmp_path: Path, name: str) -> None:
    picture = Image.fromarray(np.full((32, 32, 3), 90, np.uint8))
    picture.save(tmp_path / name, format=None if name.startswith("a.") else "PNG")
    refused(tmp_path / name)


@pytest.mark.parametrize("rate", [0, 1, 999, 5_000_000, 2**31 - 1])
def test_a_rate_that_cannot_be(tmp_path: Path, rate: int) -> None:
    path = write_audio(tmp_path / "a.wav", sine(0.5))
    body = bytearray(path.read_bytes())
    body[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(body)
    refused(path)


def test_a_video_without_sound(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 5)
    assert "video without sound" in refused(path).message


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.wav", sine(1))
    (tmp_path / "a.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.wav\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "b.ffconcat").write_text("ffconcat version 1.0\nfile a.wav\n")
    refused(tmp_path / "a.m3u8")
    refused(tmp_path / "b.ffconcat")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.aiff"])
def test_a_file_with_a_header_and_no_sound(tmp_path: Path, name: str) -> None:
    path = write_audio(tmp_path / "full.wav", sine(0.5))
    if name == "a.wav":
        path.write_bytes(path.read_bytes()[:40] + bytes(4))
    else:
        write_audio(tmp_path / name, sine(0.5))
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:60])
    refused(path)


BREAKING = {
    "a.wav": {},
    "a.aiff": {},
    "a.flac": {},
    "a.mp3": {},
    "bare.mp3": {"container_options": {"write_xing": "0"}},
    "a.aac": {},
    "front.m4a": {"container_options": {"movflags": "faststart"}},
    "a.mkv": {},
    "a.webm": {},
    "a.ogg": {},
    "a.opus": {},
    "a.wma": {},
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_file_that_breaks_off_is_refused_or_used_as_far_as_it_goes(
    tmp_path: Path, name: str
) -> None:
    rate = 48000 if name.endswith(("opus", "webm")) else RATE
    sound = noise(12, rate=rate, channels=2, level=0.2)
    path = write_audio(tmp_path / name, sound, rate, **BREAKING[name])  # type: ignore[arg-type]
    whole = probe(path)
    body = path.read_bytes()
    path.write_bytes(body[: len(body) * 6 // 10 + 1])
    error = refused_whole(path)
    assert "breaks off" in error.message or "damaged" in error.message
    assert "`allow_truncated=True`" in error.hint
    info = probe(path, allow_truncated=True)
    assert 0.5 * whole.num_samples < info.num_samples < 0.65 * whole.num_samples
    got = read(path, Fraction(0), Fraction(12), allow_truncated=True)
    assert got[:, : info.num_samples].any()
    assert not got[:, info.num_samples :].any()
    features = features_of(path, Fraction(0), Fraction(16), 192, allow_truncated=True)
    assert features.rms[:96].all()
    assert not features.rms[130:].any()


def refused_whole(path: Path) -> InputError:
    with pytest.raises(InputError):
        read(path, Fraction(0), Fraction(12))
    with pytest.raises(InputError) as caught:
        probe(path)
    return caught.value


def test_an_mp4_without_its_index_cannot_be_used_at_all(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.m4a", sine(3))
    path.write_bytes(path.read_bytes()[:9000])
    refused(path)
    with pytest.raises(InputError):
        probe(path, allow_truncated=True)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.mkv", "a.m4a", "a.wma"])
def test_whole_files_are_never_called_broken(tmp_path: Path, name: str) -> None:
    for seconds in (0.05, 0.5, 3.3):
        probe(write_audio(tmp_path / name, noise(seconds, channels=2)))


def test_tags_behind_the_sound_are_no_damage(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.mp3", sine(2), container_options={"write_xing": "0"})
    length = probe(path).num_samples
    path.write_bytes(path.read_bytes() + b"TAG" + b"title".ljust(125, b"\0"))
    assert probe(path).num_samples == length


def test_a_wav_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    """As programs write it that cannot go back to fill in the length."""
    path = write_audio(tmp_path / "a.wav", sine(2))
    body = bytearray(path.read_bytes())
    data = body.index(b"data")
    body[4:8] = body[data + 4 : data + 8] = b"\xff" * 4
    path.write_bytes(body)
    assert probe(path).num_samples == 2 * RATE


@pytest.mark.parametrize(
    ("name", "moved"), [("a.m4a", 0), ("a.flac", 0), ("a.mkv", 0), ("a.mp3", 1152)]
)
def test_damage_in_the_middle_is_silence_and_moves_nothing(
    tmp_path: Path, name: str, moved: int
) -> None:
    """As in players. A frame of bare MP3 that is no longer found as one is missed, though."""
    path = write_audio(tmp_path / name, click_track(20, 60, first=0.5))
    before = read(path, Fraction(0), Fraction(20))[0]
    body = bytearray(path.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 40] = np.random.default_rng(1).bytes(40)
    path.write_bytes(body)
    after = read(path, Fraction(0), Fraction(20))[0]
    for second in (2, 6, 14, 17):
        window = slice(second * RATE, (second + 1) * RATE)
        assert before[window].argmax() - after[window].argmax() in (0, moved)


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(3))
    blocks = stream(path, Fraction(0), Fraction(9))
    next(blocks)
    path.unlink()
    with pytest.raises(InputError, match="cannot read"):
        list(blocks)


def test_libav_stays_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(bytes(range(256)) * 40)
    refused(path)
    assert capfd.readouterr() == ("", "")
    assert av.logging.get_level() in (None, av.logging.PANIC)
