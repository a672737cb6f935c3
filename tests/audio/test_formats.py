"""Every format gives the samples that went in: the exact count, at the exact place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media_factory import (
    CODECS,
    RATE,
    VBR_MP3,
    Samples,
    click_track,
    noise,
    sine,
    sweep,
    write_audio,
    write_video,
)
from soundreel.audio.load import AudioInfo, probe
from soundreel.audio.segment import read

SECONDS = 2
ODD = 12346  # samples that are not a whole number of codec frames or milliseconds


def source(rate: int = RATE, channels: int = 2) -> Samples:
    tone = sweep(SECONDS, rate=rate, channels=channels)
    hiss = noise(SECONDS, rate=rate, channels=channels, level=0.02)
    return (tone + hiss)[:, :-ODD]


def whole(path: Path) -> tuple[AudioInfo, NDArray[np.float32]]:
    info = probe(path)
    return info, read(path, Fraction(0), info.duration)


def lag(sound: NDArray[np.float32], reference: NDArray[np.float32]) -> int:
    """Samples by which `sound` comes late."""
    count = min(len(sound), len(reference))
    size = 1 << (2 * count).bit_length()
    product = np.fft.rfft(sound[:count], size) * np.fft.rfft(reference[:count], size).conj()
    shift = int(np.fft.irfft(product, size).argmax())
    return shift if shift < size // 2 else shift - size


@pytest.mark.parametrize(
    ("name", "codec", "step"),
    [
        ("a.wav", "pcm_s16le", 2**-15),
        ("a.wav", "pcm_u8", 2**-7),
        ("a.wav", "pcm_s24le", 2**-22),
        ("a.wav", "pcm_s32le", 2**-22),
        ("a.wav", "pcm_f32le", 2**-22),
        ("a.wav", "pcm_f64le", 2**-22),
        ("a.w64", "pcm_s16le", 2**-15),
        ("a.aiff", "pcm_s16be", 2**-15),
        ("a.caf", "pcm_s16le", 2**-15),
        ("a.flac", "flac", 2**-15),
        ("a.m4a", "alac", 2**-15),
        ("a.ogg", "flac", 2**-15),
        ("a.mkv", "flac", 2**-15),
        ("a.mov", "pcm_s16le", 2**-15),
        ("a.wv", "wavpack", 2**-7),
    ],
)
def test_lossless_formats_give_the_samples_back(
    tmp_path: Path, name: str, codec: str, step: float
) -> None:
    sound = source()
    info, got = whole(write_audio(tmp_path / name, sound, codec=codec))
    assert (info.rate, info.channels, info.num_samples) == (RATE, 2, sound.shape[1])
    np.testing.assert_allclose(got, sound, atol=step)


@pytest.mark.parametrize(
    ("name", "codec", "extra"),
    [
        ("a.mp3", "libmp3lame", 0),
        ("a.m4a", "aac", 0),
        ("a.mp4", "aac", 0),
        ("a.opus", "libopus", 0),
        ("a.mp4", "libopus", 0),
        ("a.webm", "libopus", 0),
        ("a.ogg", "vorbis", 64),
        ("a.mkv", "vorbis", 64),
        ("a.mkv", "aac", 1023),
    ],
)
def test_lossy_formats_begin_at_zero_and_end_with_the_sound(
    tmp_path: Path, name: str, codec: str, extra: int
) -> None:
    """`extra`: padding at the end that the container does not mark as such."""
    rate = 48000 if codec == "libopus" else RATE
    sound = source(rate)
    info, got = whole(write_audio(tmp_path / name, sound, rate, codec=codec))
    assert (info.rate, info.channels) == (rate, 2)
    assert 0 <= info.num_samples - sound.shape[1] <= extra
    assert got.shape == (2, info.num_samples)
    for channel in range(2):
        assert lag(got[channel], sound[channel]) == 0


@pytest.mark.parametrize(("name", "late"), [("a.wma", -2048), ("a.aac", 1024)])
def test_formats_without_priming_marks_are_off_by_the_codec_only(
    tmp_path: Path, name: str, late: int
) -> None:
    """Bare AAC does not mark its priming; FFmpeg's WMA decoder makes no sound of frame one."""
    sound = source()
    _, got = whole(write_audio(tmp_path / name, sound))
    assert lag(got[0], sound[0]) == late


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
def test_the_sound_of_a_video_is_read(tmp_path: Path, ending: str) -> None:
    rate = 48000 if ending == ".webm" else RATE
    sound = source(rate)
    codec = "libvpx" if ending == ".webm" else "libx264"
    path = write_video(tmp_path / f"a{ending}", 20, codec=codec, samples=sound, rate=rate)
    info, got = whole(path)
    assert info.codec == ("opus" if ending == ".webm" else "aac")
    assert lag(got[0], sound[0]) == 0


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_silence_stands_where_a_video_begins_before_its_sound(tmp_path: Path, ending: str) -> None:
    """Times are those that a player of the video shows. MP4 rounds the start to 1 ms."""
    begins = Fraction(3, 4)
    sound = click_track(14, 60, first=0.5)
    path = write_video(tmp_path / f"a{ending}", 20, samples=sound, sound_start=begins)
    info, got = whole(path)
    assert info.num_samples >= 14.7 * RATE
    assert not got[0, : RATE // 2].any()
    for second in (1, 2, 12):
        window = got[0, second * RATE : (second + 1) * RATE]
        assert abs(int(np.abs(window).argmax()) - RATE // 4) <= RATE // 1000
        np.testing.assert_array_equal(read(path, Fraction(second), Fraction(1))[0], window)


def test_vbr_mp3_and_mp3_without_a_length_header_are_counted(tmp_path: Path) -> None:
    sound = source()
    vbr = write_audio(tmp_path / "v.mp3", sound, options=VBR_MP3)
    bare = write_audio(tmp_path / "b.mp3", sound, container_options={"write_xing": "0"})
    assert probe(vbr).num_samples == sound.shape[1]
    assert probe(bare).num_samples % 1152 == 0
    _, got = whole(bare)
    assert lag(got[0], sound[0]) == 1105  # nothing tells that the encoder's delay is not sound


def test_the_length_found_at_the_end_is_the_length_counted_from_the_start(tmp_path: Path) -> None:
    from soundreel.audio.load import count_samples
    from soundreel.audio.reading.decode import Decoder

    sound = noise(23, rate=16000, channels=2)
    for name in ("a.mp3", "a.m4a", "a.mkv", "a.wma", "a.flac", "a.opus", "a.ogg", "a.aac"):
        path = write_audio(tmp_path / name, sound, 16000)
        with Decoder(path) as decoder:
            counted = max(position + block.shape[1] for position, block in decoder.blocks())
            assert count_samples(decoder) == counted, name


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        ("a.wav", "WAV", "PCM_16"),
        ("a.wav", "WAV", "PCM_U8"),
        ("a.wav", "WAV", "PCM_24"),
        ("a.wav", "WAV", "FLOAT"),
        ("a.wav", "WAV", "ULAW"),
        ("a.aiff", "AIFF", "PCM_24"),
        ("a.flac", "FLAC", "PCM_24"),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.opus", "OGG", "OPUS"),
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
    ],
)
def test_files_of_another_library_decode_as_it_decodes_them(
    tmp_path: Path, name: str, kind: str, subtype: str
) -> None:
    rate = 48000 if subtype == "OPUS" else RATE
    path = tmp_path / name
    with soundfile.SoundFile(path, "w", rate, 2, format=kind, subtype=subtype) as file:
        for part in np.array_split(source(rate).T, 20):
            file.write(part)
    expected, its_rate = soundfile.read(path, dtype="float32", always_2d=True)
    info, got = whole(path)
    assert (info.rate, info.num_samples) == (its_rate, len(expected))
    tolerance = {"VORBIS": 1e-4, "MPEG_LAYER_III": 1e-4, "OPUS": 5e-3}.get(subtype, 2**-23)
    np.testing.assert_allclose(got.T, np.clip(expected, -1, 1), atol=tolerance)


def test_mono_is_the_average_of_the_channels(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(1, channels=6), codec="pcm_f32le")
    channels = read(path, Fraction(0), Fraction(1))
    mono = read(path, Fraction(0), Fraction(1), mono=True)
    assert mono.shape == (1, RATE)
    np.testing.assert_allclose(mono[0], channels.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.flac"])
def test_all_channels_are_read_in_order(tmp_path: Path, name: str, channels: int) -> None:
    tones = [sine(1, 200 + 100 * channel, level=0.3) for channel in range(channels)]
    _, got = whole(write_audio(tmp_path / name, np.concatenate(tones), bit_rate=640_000))
    loudest = np.abs(np.fft.rfft(got[:, :RATE], axis=1)).argmax(axis=1)
    lfe = {3} if name == "a.m4a" and channels > 2 else set()  # AAC keeps only its bass
    for channel in set(range(channels)) - lfe:
        assert loudest[channel] == 200 + 100 * channel


def test_float_files_with_nan_and_overshoot_stay_in_range(tmp_path: Path) -> None:
    sound = np.array([[0.5, np.nan, 3.0, -np.inf, -0.25] * 1000], np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, sound.T, RATE, subtype="FLOAT")
    got = read(path, Fraction(0), Fraction(5, RATE))
    np.testing.assert_array_equal(got, np.array([[0.5, 0, 1, -1, -0.25]], np.float32))


def test_tags_in_another_encoding_do_not_matter(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.mp3", sine(1))
    tag = b"TIT2" + (5).to_bytes(4, "big") + b"\0\0" + b"\0\xff\xfe\xe9\xe8"
    header = b"ID3\x03\0\0" + bytes([0, 0, 0, len(tag)])
    body = path.read_bytes()
    offset = 10 + int.from_bytes(body[6:10], "big") if body.startswith(b"ID3") else 0
    path.write_bytes(header + tag + body[offset:])
    assert probe(path).num_samples == RATE


def test_names_with_spaces_unicode_and_odd_beginnings_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "a b.wav",
        "música 音.wav",
        "-y.wav",
        "file:x.wav",
        "pipe:0",
        "50%d.wav",
        "a,b.wav",
    ):
        written = write_audio(tmp_path / "plain.wav", sine(0.1))
        path = written.rename(name)
        assert probe(Path(path.name)).num_samples == RATE // 10


def test_the_table_of_formats_is_complete(tmp_path: Path) -> None:
    for ending in CODECS:
        rate = 48000 if CODECS[ending] == "libopus" else RATE
        path = write_audio(tmp_path / f"a{ending}", sine(0.5, rate=rate, channels=2), rate)
        assert probe(path).rate == rate
