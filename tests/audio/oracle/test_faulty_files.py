"""Files that untidy programs write: what decodes counts, what a file states is a hint."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import oracle
from audio.oracle import mp4
from media_factory import RATE, noise, sine, speech_like, write_audio
from soundreel.audio.load import probe
from soundreel.audio.reading.tracks import list_tracks
from soundreel.audio.segment import read, stream
from soundreel.errors import InputError

AAC = ("-c:a", "aac", "-aac_pns", "0")


def tune(
    folder: Path, seconds: float, *, rate: int = RATE, channels: int = 2, seed: int = 0
) -> Path:
    sound = speech_like(seconds, rate=rate, channels=channels, seed=seed) + noise(
        seconds, rate=rate, channels=channels, level=0.05, seed=seed
    )
    return write_audio(folder / f"tune{seed}-{rate}-{channels}.wav", sound, rate)


def assert_ours_is_ffmpegs(path: Path, *options: str) -> None:
    """All samples, and those of a segment from the middle."""
    info = probe(path)
    ours = read(path, Fraction(0), info.duration)
    theirs = oracle.decoded(path, info.channels, *options)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs.clip(-1, 1), atol=1e-6)
    start = Fraction(int(info.duration * 8), 10)
    place = int(start * info.rate)
    got = read(path, start, Fraction(1, 4))
    np.testing.assert_allclose(
        got[:, : ours.shape[1] - place], ours[:, place : place + got.shape[1]], atol=1e-6
    )


def remarks_of(path: Path) -> str:
    said: list[str] = []
    for _ in stream(path, Fraction(0), probe(path).duration, remark=said.append):
        pass
    return "\n".join(said)


# --- tables of MP4 --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3, 25])
@pytest.mark.parametrize("kind", ["milliseconds", "pairs that differ", "random", "all too long"])
def test_the_durations_in_a_table_of_mp4_are_hints(tmp_path: Path, kind: str, seconds: int) -> None:
    path = oracle.make(tmp_path / "a.mp4", "-i", tune(tmp_path, seconds), *AAC)
    count, timescale = mp4.count_packets(path), RATE
    durations = [1024] * count
    dice = np.random.default_rng(1)
    if kind == "milliseconds":
        edges = [k * 1024 * 1000 // RATE for k in range(count + 1)]
        durations, timescale = list(np.diff(edges)), 1000
        mp4.drop(path, b"edts")
    elif kind == "pairs that differ":
        durations = [1472 if k % 2 else 576 for k in range(count)]
    elif kind == "random":
        durations = [int(n) for n in 1024 + dice.integers(-100, 101, count)]
    else:
        durations = [1030] * count
    mp4.set_durations(path, list(map(int, durations)), timescale)
    assert_ours_is_ffmpegs(path)


def test_priming_that_only_a_tag_tells_of_is_taken_off(tmp_path: Path) -> None:
    """As iTunes writes it: 2112 samples in front, no edit list."""
    source = tune(tmp_path, 3)
    path = oracle.make(tmp_path / "a.m4a", "-i", source, *AAC, "-use_editlist", "0",
                       "-af", "adelay=1088S:all=1")  # fmt: skip
    mp4.drop(path, b"edts", b"udta")
    count = mp4.count_packets(path)
    mp4.set_durations(path, [1024] * count, RATE)
    padding = count * 1024 - 2112 - 3 * RATE
    mp4.add_to_moov(path, b"udta", mp4.itunes_tag(2112, padding, 3 * RATE))
    assert_ours_is_ffmpegs(path)
    ours = read(path, Fraction(1), Fraction(1))[0]
    wanted = [read(source, 1 + Fraction(lag, RATE), Fraction(1))[0] for lag in range(-3, 4)]
    assert int(np.argmax([np.dot(ours, one) for one in wanted])) == 3


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_keyframe+dash", "faststart"])
def test_fragments_are_read_whole_and_half_of_them_is_refused(tmp_path: Path, flags: str) -> None:
    path = oracle.make(tmp_path / "a.mp4", "-i", tune(tmp_path, 15), *AAC, "-movflags", flags,
                       "-frag_duration", "500000")  # fmt: skip
    assert_ours_is_ffmpegs(path)
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])
    with pytest.raises(InputError, match="breaks off"):
        probe(path)


# --- stated lengths -------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["libopus", "libvorbis", "flac"])
def test_ogg_without_the_flag_of_its_end_is_whole(tmp_path: Path, codec: str) -> None:
    path = oracle.make(tmp_path / "a.ogg", "-i", tune(tmp_path, 3, rate=48000), "-c:a", codec)
    body = bytearray(path.read_bytes())
    last = body.rfind(b"OggS")
    body[last + 5] &= ~4
    body[last + 22 : last + 26] = bytes(4)
    body[last + 22 : last + 26] = struct.pack("<I", ogg_checksum(bytes(body[last:])))
    path.write_bytes(body)
    assert_ours_is_ffmpegs(path)
    path.write_bytes(body[: len(body) * 6 // 10])
    with pytest.raises(InputError, match="breaks off"):
        probe(path)


def ogg_checksum(page: bytes) -> int:
    """CRC-32 with the polynomial 0x04c11db7, no reflection (RFC 3533)."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


@pytest.mark.parametrize(
    "size", [0, 0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFF9B, 0xFFFFFFFF]
)
def test_a_wav_whose_size_was_never_filled_in_is_whole(tmp_path: Path, size: int) -> None:
    path = write_audio(tmp_path / "a.wav", sine(2, channels=2))
    body = bytearray(path.read_bytes())
    data = body.index(b"data")
    body[4:8] = struct.pack("<I", min(size + 36, 0xFFFFFFFF))
    body[data + 4 : data + 8] = struct.pack("<I", size)
    path.write_bytes(body)
    assert probe(path).num_samples == 2 * RATE


@pytest.mark.parametrize(("name", "field"), [("a.aiff", b"COMM"), ("a.au", b".snd")])
def test_other_headers_with_a_placeholder_are_no_damage(
    tmp_path: Path, name: str, field: bytes
) -> None:
    codec = "pcm_s16be"
    path = write_audio(tmp_path / name, sine(2, channels=2), codec=codec)
    body = bytearray(path.read_bytes())
    at = body.index(field)
    if field == b"COMM":  # frames; then the sound's chunk, as sox writes them into a pipe
        body[at + 10 : at + 14] = struct.pack(">I", 0x7F000000 // 4)
        chunk = body.index(b"SSND")
        body[chunk + 4 : chunk + 8] = struct.pack(">I", 0x7F000008)
        body[4:8] = struct.pack(">I", 0x7F000040)
    else:
        body[at + 8 : at + 12] = struct.pack(">I", 0x7FFFFFFF)
    path.write_bytes(body)
    assert probe(path).num_samples == 2 * RATE


def test_what_is_missing_less_than_a_tenth_of_a_second_is_said_and_used(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", noise(5, channels=2))
    body = path.read_bytes()
    path.write_bytes(body[:-12_000])
    assert probe(path).num_samples == 5 * RATE - 3000
    assert "should have" in probe(path).shortfall
    path.write_bytes(body[: -4 * RATE])
    with pytest.raises(InputError, match="breaks off"):
        probe(path)


# --- clocks that jump -----------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "offset"), [("ts", 3600), ("ts", 0), ("ts", 40000)])
def test_a_clock_that_starts_anew_is_a_seam_and_not_silence(
    tmp_path: Path, ending: str, offset: int
) -> None:
    """Recordings joined by `cat`."""
    joined = b""
    for number, start in enumerate((200, offset)):
        part = oracle.make(
            tmp_path / f"{number}.{ending}",
            *("-i", tune(tmp_path, 12, rate=48000, seed=number), *AAC),
            *("-output_ts_offset", str(start)),
        )  # fmt: skip
        joined += part.read_bytes()
    path = tmp_path / f"joined.{ending}"
    path.write_bytes(joined)
    assert 23.9 < probe(path).duration < 24.2
    assert_ours_is_ffmpegs(path)
    assert "clock" in remarks_of(path)


@pytest.mark.parametrize("ending", ["ts", "flv", "mka", "mp4"])
def test_a_gap_of_some_seconds_is_silence_in_every_container(tmp_path: Path, ending: str) -> None:
    drop = "noise=drop='between(pts*tb\\,5\\,9)'"
    clean = oracle.make(tmp_path / "clean.mka", "-i", tune(tmp_path, 20, rate=48000), *AAC)
    path = oracle.make(tmp_path / f"a.{ending}", "-i", clean, "-c", "copy", "-bsf:a", drop)
    assert_ours_is_ffmpegs(path, *oracle.GAPS_FILLED)


def test_ten_hours_between_two_packets_are_silence_in_blocks(tmp_path: Path) -> None:
    rate = 8000
    clean = oracle.make(tmp_path / "a.mka", "-i", tune(tmp_path, 4, rate=rate), *AAC)
    late = "setts=ts='PTS+gt(PTS*TB\\,2)*36000/TB'"
    path = oracle.make(tmp_path / "b.mka", "-i", clean, "-c", "copy", "-bsf:a", late)
    info = probe(path)
    assert abs(info.duration - 36004) < Fraction(1, 10)
    sizes = [block.nbytes for block in stream(path, Fraction(0), info.duration)]
    assert max(sizes) < 1 << 20
    assert read(path, Fraction(36003), Fraction(1, 2)).any()
    assert not read(path, Fraction(18000), Fraction(1)).any()


# --- streams that change --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["mp3", "aac"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((44100, 2), (48000, 2)),
        ((48000, 1), (44100, 1)),
        ((44100, 1), (44100, 2)),
        ((44100, 2), (44100, 1)),
    ],
)
def test_a_stream_that_changes_on_the_way_is_heard_to_its_end(
    tmp_path: Path, ending: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    bare = ("-write_xing", "0", "-id3v2_version", "0") if ending == "mp3" else ("-aac_pns", "0")
    joined = b""
    for number, (rate, channels) in enumerate((first, second)):
        wav = tune(tmp_path, 12, rate=rate, channels=channels, seed=number)
        joined += oracle.make(tmp_path / f"{number}.{ending}", "-i", wav, *bare).read_bytes()
    path = tmp_path / f"joined.{ending}"
    path.write_bytes(joined)
    info = probe(path)
    assert (info.rate, info.channels) == first
    assert abs(info.duration - 24) < Fraction(1, 5)
    ours = read(path, Fraction(0), info.duration)
    theirs = oracle.decoded(path, info.channels)
    count = min(ours.shape[1], theirs.shape[1])
    assert abs(ours.shape[1] - theirs.shape[1]) < info.rate // 100
    for begin in (info.rate, 14 * info.rate, count - 2 * info.rate):
        window = slice(begin, begin + info.rate)
        assert np.corrcoef(ours[0, window], theirs[0, window])[0, 1] > 0.98
    got = read(path, Fraction(16), Fraction(1))
    np.testing.assert_allclose(got, ours[:, 16 * info.rate :][:, : info.rate], atol=1e-6)
    assert "changes on the way" in remarks_of(path)


# --- which track, and where it begins -------------------------------------------------------------


def test_a_numbered_track_is_read_and_all_are_listed(tmp_path: Path) -> None:
    for number, hertz in enumerate((300, 500), 1):
        write_audio(tmp_path / f"{number}.wav", sine(2, hertz))
    path = oracle.make(tmp_path / "a.mkv", "-i", tmp_path / "1.wav", "-i", tmp_path / "2.wav",
                       "-map", "0", "-map", "1", "-c:a", "flac",
                       "-metadata:s:a:1", "language=fra",
                       "-metadata:s:a:1", "title=Music")  # fmt: skip
    for track, hertz in ((None, 300), (1, 300), (2, 500)):
        sound = read(path, Fraction(0), Fraction(1), track=track)[0]
        assert int(np.abs(np.fft.rfft(sound)).argmax()) == hertz
    listed = list_tracks(path)
    assert [track.chosen for track in listed] == [True, False]
    assert "fra" in listed[1].description
    assert "Music" in listed[1].description
    with pytest.raises(InputError, match="no sound track 3: it has 2"):
        probe(path, track=3)


def test_a_track_that_begins_late_beside_another_has_silence_in_front(tmp_path: Path) -> None:
    wav = tune(tmp_path, 3)
    path = oracle.make(tmp_path / "a.mkv", "-i", wav, "-itsoffset", "1.5", "-i", wav, "-map", "0",
                       "-map", "1", "-c:a", "flac")  # fmt: skip
    sound = read(path, Fraction(0), Fraction(4), track=2)
    assert not sound[:, : int(1.49 * RATE)].any()
    assert (
        np.corrcoef(sound[0, int(1.5 * RATE) :][:RATE], read(wav, Fraction(0), Fraction(1))[0])[
            0, 1
        ]
        > 0.9
    )


def test_a_cover_does_not_move_the_sound(tmp_path: Path) -> None:
    cover = oracle.make(tmp_path / "c.jpg", "-f", "lavfi", "-i", "color=red:s=64x64",
                        "-frames:v", "1")  # fmt: skip
    wav = tune(tmp_path, 3)
    path = oracle.make(tmp_path / "a.mka", "-i", wav, "-c:a", "flac", "-output_ts_offset", "5",
                       "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg")  # fmt: skip
    assert probe(path).num_samples == 3 * RATE
    picture = oracle.make(tmp_path / "a.m4a", "-i", wav, "-i", cover, "-map", "0", "-map", "1",
                          *AAC, "-c:v", "copy", "-disposition:v", "attached_pic")  # fmt: skip
    assert_ours_is_ffmpegs(picture)


# --- beyond full scale, and reading that is stopped -----------------------------------------------


def test_floats_beyond_full_scale_are_said(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(1, level=4.0), codec="pcm_f32le")
    assert "12.0 dB beyond full scale" in remarks_of(path)
    quiet = write_audio(tmp_path / "b.wav", sine(1, level=0.9), codec="pcm_f32le")
    assert remarks_of(quiet) == ""
