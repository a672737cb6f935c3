"""The source's own packets: exact to the sample, or refused in a sentence before the work."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import oracle
from media_factory import noise, sweep, write_audio
from soundreel.audio.load import probe
from soundreel.errors import InputError, WorkError
from soundreel.events import RunControl
from soundreel.types import AudioClip, Encoding
from soundreel.video import mux
from soundreel.video.exactness import require_copyable, verify_copy
from video_factory import write_pieces

RATE = 48000
FPS = Fraction(25)
COPY = Encoding(audio_codec="copy")
SOUND = sweep(4, rate=RATE, channels=2)


def plain_aac(path: Path) -> Path:
    """Without noise substitution, as most encoders but FFmpeg's write it."""
    wav = write_audio(path.with_suffix(".wav"), SOUND, RATE)
    return oracle.make(path, "-i", wav, "-c:a", "aac", "-aac_pns", "0")


def clip_of(source: Path, start: Fraction, frames: int, fps: Fraction = FPS) -> AudioClip:
    info, shown = probe(source), frames / fps
    heard = min(shown, info.duration - start)
    return replace(info.clip, start=start, duration=shown, sound_duration=heard)


def copied(folder: Path, clip: AudioClip, fps: Fraction = FPS) -> Path:
    """The finished file, through all checks."""
    frames = int(clip.duration * fps)
    output = folder / "out.mp4"
    require_copyable(clip, fps, RunControl())
    pieces = write_pieces(folder, [frames], fps)
    mux.finish(pieces, clip, output, fps, {}, RunControl(), COPY)
    mux.verify(output, frames, fps, 96, 64, clip.duration, COPY)
    verify_copy(output, clip, RunControl())
    return output


def sizes(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("start", [Fraction(0), Fraction(1), Fraction(50001, RATE), Fraction(1, 7)])
@pytest.mark.parametrize("fps", [FPS, Fraction(30000, 1001)])
def test_aac_is_kept_from_any_start(tmp_path: Path, start: Fraction, fps: Fraction) -> None:
    """As ffmpeg decodes both: the same samples, and not one beyond the last picture."""
    source = plain_aac(tmp_path / "s.m4a")
    clip = clip_of(source, start, 31, fps)
    output = copied(tmp_path, clip, fps)
    first = -(-start.numerator * RATE // start.denominator)
    end = clip.start + clip.duration
    wanted = oracle.decoded(source, 2)[:, first : -(-end.numerator * RATE // end.denominator)]
    got = oracle.decoded(output, 2)
    assert np.array_equal(got, wanted)
    assert set(sizes(output)) < set(sizes(source))


@pytest.mark.parametrize(
    ("name", "codec"), [("s.m4a", "alac"), ("s.flac", "flac"), ("s.ogg", "flac"), ("s.mp4", "flac")]
)
def test_lossless_packets_that_end_with_the_pictures_are_kept(
    tmp_path: Path, name: str, codec: str
) -> None:
    source = write_audio(tmp_path / name, SOUND, RATE, codec=codec)
    output = copied(tmp_path, clip_of(source, Fraction(0), 100))
    assert np.array_equal(oracle.decoded(output, 2), oracle.decoded(source, 2))
    assert sizes(output) == sizes(source)


@pytest.mark.parametrize(("name", "codec"), [("s.m4a", "alac"), ("s.flac", "flac")])
def test_lossless_packets_that_would_play_on_are_refused(
    tmp_path: Path, name: str, codec: str
) -> None:
    source = write_audio(tmp_path / name, SOUND, RATE, codec=codec)
    refused(clip_of(source, Fraction(0), 50), "beyond the last picture")


@pytest.mark.parametrize(
    ("name", "codec", "words"),
    [
        ("s.mp3", None, "cannot stay as it is"),
        ("s.wav", None, "cannot stay as it is"),
        ("s.opus", None, "cannot stay as it is"),
        ("s.mkv", None, "times of packets"),
        ("s.aac", None, "times of packets"),
    ],
)
def test_what_cannot_be_placed_is_refused(
    tmp_path: Path, name: str, codec: str | None, words: str
) -> None:
    refused(clip_of(write_audio(tmp_path / name, SOUND, RATE, codec=codec), Fraction(0), 50), words)


def test_noise_that_a_decoder_makes_up_is_refused_in_the_middle_only(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "s.m4a", noise(4, rate=RATE, channels=2, level=0.2), RATE)
    copied(tmp_path, clip_of(source, Fraction(0), 50))
    refused(clip_of(source, Fraction(1), 50), "from the beginning")


def test_silence_cannot_be_added_to_a_copy(tmp_path: Path) -> None:
    clip = clip_of(plain_aac(tmp_path / "s.m4a"), Fraction(1), 76)
    with pytest.raises(InputError, match=r"0\.0400 s before the last picture") as caught:
        require_copyable(clip, FPS, RunControl())
    assert "75 whole pictures" in caught.value.hint
    copied(tmp_path, clip_of(clip.path, Fraction(1), 75))


def test_another_sound_in_the_finished_file_is_caught(tmp_path: Path) -> None:
    clip = clip_of(plain_aac(tmp_path / "s.m4a"), Fraction(1), 25)
    output = copied(tmp_path, clip)
    with pytest.raises(WorkError, match="do not decode to the source's samples"):
        verify_copy(output, replace(clip, start=clip.start + Fraction(1, RATE)), RunControl())


def test_a_copy_has_no_bit_rate() -> None:
    with pytest.raises(InputError, match="only aac"):
        Encoding(audio_codec="copy", audio_bitrate=128_000)


def refused(clip: AudioClip, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        require_copyable(clip, FPS, RunControl())
    assert list(caught.value.fields) == ["encoding.audio_codec"]
