"""Containers, codecs and their faults, against the newest ffmpeg: the same samples, one for one.

Real gaps are as `aresample=async=1` fills them. Where stamps lie (jitter, drift), the samples are
those that ffmpeg decodes without looking at stamps.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np
import pytest
from numpy.typing import NDArray

import oracle
from media_factory import noise, speech_like, sweep, write_audio
from soundreel.audio.load import probe
from soundreel.audio.segment import read
from soundreel.timeline.grid import first_sample

RATE = 48000
LENGTH_S = 21
EARLY, LATE, END = Fraction(37, 10), Fraction(123457, 10000), Fraction(184, 10)

CODECS = {
    "aac": ("-c:a", "aac", "-aac_pns", "0"),  # the noise of PNS depends on all decoded before
    "opus": ("-c:a", "libopus"),
    "mp3": ("-c:a", "libmp3lame"),
    "flac": ("-c:a", "flac", "-strict", "-2"),
    "vorbis": ("-c:a", "libvorbis"),
    "alac": ("-c:a", "alac"),
    "pcm": ("-c:a", "pcm_s16le"),
    "ac3": ("-c:a", "ac3"),
}
HOLDS = {
    "m4a": ("aac", "alac"),
    "mp4": ("aac", "opus", "mp3", "flac"),
    "mov": ("aac", "pcm"),
    "mka": ("aac", "opus", "mp3", "flac", "vorbis", "pcm", "ac3"),
    "webm": ("opus", "vorbis"),
    "flv": ("aac",),
    "ogg": ("opus", "vorbis", "flac"),
    "ts": ("aac", "mp3"),
}
PAIRS = [(ending, codec) for ending, codecs in HOLDS.items() for codec in codecs]

FAULTS = {
    "jitter of 5 samples": "setts=ts='PTS+5/{rate}/TB*mod(N\\,2)'",
    "jitter of 100 samples": "setts=ts='PTS+100/{rate}/TB*mod(N\\,2)'",
    "drift of one in a hundred": "setts=ts='PTS*1.01'",
    "a late clock": "setts=ts='PTS*0.99'",
    "a second lost": "noise=drop='between(pts*tb\\,6\\,7.1)'",
    "two packets lost": "noise=drop='between(n\\,300\\,301)'",
    "a packet lost every second": "noise=drop='not(mod(n+1\\,47))'",
}
STAMPS_LIE = ("jitter", "drift", "a late clock")


@cache
def folder() -> Path:
    return Path(mkdtemp(prefix="soundreel-oracle-"))


@pytest.fixture(scope="module", autouse=True)
def _remove_folder() -> Iterator[None]:
    yield
    rmtree(folder())
    folder.cache_clear()
    source.cache_clear()
    coded.cache_clear()


@cache
def source() -> Path:
    """No stretch looks like another, and the channels differ."""
    sound = 0.4 * sweep(LENGTH_S, rate=RATE, channels=2) + noise(
        LENGTH_S, rate=RATE, channels=2, level=0.05
    )
    sound += 0.5 * speech_like(LENGTH_S, rate=RATE, channels=2)
    return write_audio(folder() / "source.wav", sound * 0.7, RATE)


@cache
def coded(codec: str) -> Path:
    """The encoded packets, to be put into containers as they are."""
    return oracle.make(folder() / f"{codec}.mka", "-i", source(), *CODECS[codec])


def in_container(ending: str, codec: str, *options: str) -> Path:
    path = folder() / f"{codec}-{abs(hash(options))}.{ending}"
    if ending in ("m4a", "mp4", "mov"):  # encoded anew, so that it has an edit list
        clean = folder() / f"{codec}-clean.{ending}"
        if not clean.exists():
            oracle.make(clean, "-i", source(), *CODECS[codec])
        return oracle.make(path, "-i", clean, "-c", "copy", *options, "-strict", "-2")
    return oracle.make(path, "-i", coded(codec), "-c", "copy", *options)


def whole(path: Path) -> NDArray[np.float32]:
    return read(path, Fraction(0), probe(path).duration)


def assert_ours_is(path: Path, expected: NDArray[np.float32], most: int = 0) -> None:
    """Whole and in segments; most: samples by which the end may differ."""
    ours = whole(path)
    assert abs(ours.shape[1] - expected.shape[1]) <= most
    count = min(ours.shape[1], expected.shape[1])
    np.testing.assert_allclose(ours[:, :count], expected[:, :count].clip(-1, 1), atol=1e-6)
    for start in (EARLY, LATE, END):
        got = read(path, start, Fraction(1, 2))
        place = first_sample(start, probe(path).rate)
        cut = ours[:, place : place + got.shape[1]]
        np.testing.assert_allclose(got[:, : cut.shape[1]], cut, atol=1e-6)


@pytest.mark.parametrize(("ending", "codec"), PAIRS)
def test_a_tidy_file(ending: str, codec: str) -> None:
    path = in_container(ending, codec)
    expected = oracle.decoded(path, 2)
    # FFmpeg plays Opus in MP4 with the encoder's padding, which the file says is not sound.
    assert_ours_is(path, expected, most=960 if (ending, codec) == ("mp4", "opus") else 0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("ending", "codec"),
    [("m4a", "aac"), ("mp4", "mp3"), ("mka", "aac"), ("mka", "opus"), ("mka", "vorbis"),
     ("flv", "aac"), ("ts", "aac"), ("ogg", "opus")],
)  # fmt: skip
def test_faults_of_the_time_stamps(ending: str, codec: str, fault: str) -> None:
    change = FAULTS[fault].format(rate=RATE)
    path = in_container(ending, codec, "-bsf:a", change)
    lies = fault.startswith(STAMPS_LIE)
    expected = oracle.decoded(path, 2, *(() if lies else oracle.GAPS_FILLED))
    assert_ours_is(path, expected, most=0)
