"""What the sound is stored as: lossless codecs sample for sample, AAC at the rate asked for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import wavfile

import oracle
from media_factory import noise, sine, write_audio
from soundreel.audio.load import probe
from soundreel.errors import InputError, WorkError
from soundreel.events import Event, Notice
from soundreel.types import Encoding
from soundreel.video import mux
from soundreel.video.sound_format import stored_as
from video_factory import notices_into, write_layout, write_pieces

FPS = Fraction(30000, 1001)
FRAMES = 31
LOSSLESS = ("flac", "alac")


def finished(
    folder: Path, source: Path, encoding: Encoding, said: list[Event] | None = None
) -> Path:
    """A video of FRAMES pictures with the sound from 1/7 s on."""
    info, start = probe(source), Fraction(1, 7)
    shown = FRAMES / FPS
    heard = min(shown, info.duration - start)
    clip = replace(info.clip, start=start, duration=shown, sound_duration=heard)
    output = folder / "out.mp4"
    pieces = write_pieces(folder, [FRAMES], FPS)
    control = notices_into(said if said is not None else [])
    mux.finish(pieces, clip, output, FPS, {}, control, encoding)
    mux.verify(output, FRAMES, FPS, 96, 64, shown, encoding)
    return output


def stretch(rate: int) -> slice:
    """The samples of the source that the video holds."""
    first = -(-rate // 7)
    end = Fraction(1, 7) + FRAMES / FPS
    return slice(first, -(-end.numerator * rate // end.denominator))


def whole_noise(rate: int, channels: int, bits: int) -> np.ndarray:
    """(n, channels) of so many bits, as the upper ones of an int16 or int32."""
    numbers = np.random.default_rng(5).integers(
        -(1 << (bits - 2)), 1 << (bits - 2), (2 * rate, channels)
    )
    return (numbers << (32 - bits)).astype(np.int32) if bits > 16 else numbers.astype(np.int16)


def write_whole(path: Path, numbers: np.ndarray, rate: int, codec: str) -> Path:
    raw = path.with_suffix(".raw")
    raw.write_bytes(numbers.tobytes())
    kind = "s16le" if numbers.dtype == np.int16 else "s32le"
    return oracle.make(
        path, "-f", kind, "-ar", str(rate), "-ac", str(numbers.shape[1]), "-i", raw, "-c:a", codec
    )


def decoded_whole(path: Path, like: np.ndarray) -> np.ndarray:
    kind = "s16le" if like.dtype == np.int16 else "s32le"
    raw = oracle.run_ffmpeg("-i", path, "-map", "0:a", "-c:a", f"pcm_{kind}", "-f", kind, "-")
    return np.frombuffer(raw, like.dtype).reshape(-1, like.shape[1])


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize(
    ("rate", "channels"), [(44100, 2), (48000, 1), (8000, 2), (96000, 2), (192000, 1)]
)
def test_lossless_sound_is_the_sources_sample_for_sample(
    tmp_path: Path, codec: str, bits: int, rate: int, channels: int
) -> None:
    """As ffmpeg decodes it: equal numbers, and not one sample more than the pictures last."""
    numbers = whole_noise(rate, channels, bits)
    source = write_whole(tmp_path / "s.wav", numbers, rate, f"pcm_s{bits}le")
    said: list[Event] = []
    output = finished(tmp_path, source, Encoding(audio_codec=codec), said)
    assert np.array_equal(decoded_whole(output, numbers), numbers[stretch(rate)])
    assert said == []
    with av.open(str(output)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) == (codec, rate)
        assert stream.codec_context.format.name.startswith(f"s{16 if bits == 16 else 32}")


@pytest.mark.parametrize("codec", LOSSLESS)
def test_floats_are_rounded_to_24_bits_and_told(tmp_path: Path, codec: str) -> None:
    samples = noise(2, rate=44100, channels=2, level=0.1)
    source = write_audio(tmp_path / "s.wav", samples, codec="pcm_f32le")
    said: list[Event] = []
    output = finished(tmp_path, source, Encoding(audio_codec=codec), said)
    wanted = samples[:, stretch(44100)]
    got = oracle.decoded(output, 2)
    assert got.shape == wanted.shape
    inside = np.abs(wanted) < 1  # full scale itself has no whole number
    assert np.abs(got - wanted)[inside].max() <= 2.0**-24
    assert (
        len([event for event in said if isinstance(event, Notice) and "24 bits" in event.message])
        == 1
    )


@pytest.mark.parametrize("codec", LOSSLESS)
def test_more_than_24_bits_are_rounded_and_told(tmp_path: Path, codec: str) -> None:
    numbers = whole_noise(44100, 1, 32)
    source = write_whole(tmp_path / "s.wav", numbers, 44100, "pcm_s32le")
    said: list[Event] = []
    output = finished(tmp_path, source, Encoding(audio_codec=codec), said)
    got = decoded_whole(output, numbers).astype(np.int64)
    assert np.abs(got - numbers[stretch(44100)]).max() <= 128 + 64  # floats of 24 bits before
    assert any(isinstance(event, Notice) and "24 bits" in event.message for event in said)


@pytest.mark.parametrize("codec", LOSSLESS)
def test_silence_after_the_sound_is_stored_too(tmp_path: Path, codec: str) -> None:
    samples = (np.round(sine(0.5, channels=2) * 32768) / 32768).astype(np.float32)
    source = write_audio(tmp_path / "s.wav", samples)
    output = finished(tmp_path, source, Encoding(audio_codec=codec))
    place = stretch(44100)
    wanted = np.zeros((2, place.stop), np.float32)
    wanted[:, : samples.shape[1]] = samples
    assert np.array_equal(oracle.decoded(output, 2), wanted[:, place])


@pytest.mark.parametrize(
    ("codec", "layout", "stored"),
    [
        *(("flac", name, name) for name in ("3.0", "quad", "5.0(side)", "5.1(side)", "6.1", "7.1")),
        *(("alac", name, name) for name in ("3.0", "4.0", "5.0", "5.1", "6.1(back)", "7.1(wide)")),
        *(("flac", "5.1", "5.1(side)"), ("alac", "5.1(side)", "5.1"), ("alac", "6.1", "6.1(back)")),
    ],
)
def test_channels_stay_in_their_places(
    tmp_path: Path, codec: str, layout: str, stored: str
) -> None:
    count = av.AudioLayout(layout).nb_channels
    samples = np.concatenate([sine(1.5, 300 + 100 * k, level=0.2) for k in range(count)])
    source = write_layout(tmp_path / "s.mka", samples, layout)
    said: list[Event] = []
    output = finished(tmp_path, source, Encoding(audio_codec=codec), said)
    got = oracle.decoded(output, count)
    assert np.array_equal(got, oracle.decoded(source, count)[:, stretch(44100)])
    assert len(said) == (layout != stored)
    with av.open(str(output)) as container:
        assert container.streams.audio[0].layout.name == stored


@pytest.mark.parametrize(("codec", "layout"), [("flac", "2.1"), ("alac", "quad"), ("alac", "7.1")])
def test_a_layout_that_would_be_mixed_is_refused(tmp_path: Path, codec: str, layout: str) -> None:
    samples = np.zeros((av.AudioLayout(layout).nb_channels, 4410), np.float32)
    clip = probe(write_layout(tmp_path / "s.mka", samples, layout)).clip
    with pytest.raises(InputError, match=f"cannot hold {layout}") as caught:
        stored_as(clip, Encoding(audio_codec=codec))
    assert list(caught.value.fields) == ["encoding.audio_codec"]


def test_more_than_eight_channels_are_refused_by_lossless_codecs(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "s.wav", 44100, np.zeros((4410, 9), np.float32))
    clip = probe(tmp_path / "s.wav").clip
    with pytest.raises(InputError, match="9"):
        stored_as(clip, Encoding(audio_codec="flac"))


def test_a_bit_rate_takes_effect(tmp_path: Path) -> None:
    source = write_audio(tmp_path / "s.wav", noise(2, channels=2, level=0.2))
    sizes = []
    for rate in (64_000, 128_000, 256_000):
        output = finished(tmp_path, source, Encoding(audio_bitrate=rate))
        with av.open(str(output)) as container:
            total = sum(packet.size for packet in container.demux(audio=0))
        sizes.append(total * 8 / (FRAMES / FPS))
        assert sizes[-1] == pytest.approx(rate, rel=0.15)
    assert sizes == sorted(sizes)


def test_a_bit_rate_beyond_aac_is_refused(tmp_path: Path) -> None:
    clip = probe(write_audio(tmp_path / "s.wav", sine(0.5, rate=8000), 8000)).clip
    stored_as(clip, Encoding(audio_bitrate=48_000))
    with pytest.raises(InputError, match="at most 48000") as caught:
        stored_as(clip, Encoding(audio_bitrate=48_001))
    assert list(caught.value.fields) == ["encoding.audio_bitrate"]


@pytest.mark.parametrize("codec", LOSSLESS)
def test_only_aac_has_a_bit_rate(codec: str) -> None:
    with pytest.raises(InputError, match="only aac") as caught:
        Encoding(audio_codec=codec, audio_bitrate=128_000)
    assert list(caught.value.fields) == ["encoding.audio_bitrate"]
    assert Encoding(audio_codec=codec, audio_bitrate="auto").audio_bitrate is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("192k", 192_000), ("0.2M", 200_000), ("96000", 96_000), (64_000, 64_000), ("auto", None)],
)
def test_bit_rates_are_read_as_people_write_them(text: str, value: int | None) -> None:
    assert Encoding(audio_bitrate=text).audio_bitrate == value


@pytest.mark.parametrize("text", ["192", "7.9k", "5M", "-64k", "fast", "", 64_000.5, True, "64kb"])
def test_what_is_no_bit_rate_is_refused(text: object) -> None:
    with pytest.raises(InputError, match="8k to 4608k"):
        Encoding(audio_bitrate=text)  # type: ignore[arg-type]


def test_another_codec_than_asked_for_is_caught(tmp_path: Path) -> None:
    output = finished(tmp_path, write_audio(tmp_path / "s.wav", sine(2)), Encoding())
    with pytest.raises(WorkError, match="aac sound, not flac"):
        mux.verify(output, FRAMES, FPS, 96, 64, FRAMES / FPS, Encoding(audio_codec="flac"))


@pytest.mark.parametrize("codec", LOSSLESS)
def test_two_samples_too_few_are_caught(tmp_path: Path, codec: str) -> None:
    source = write_audio(tmp_path / "s.wav", sine(2))
    output = finished(tmp_path, source, Encoding(audio_codec=codec))
    longer = FRAMES / FPS + Fraction(2, 44100)
    with pytest.raises(WorkError, match="of sound"):
        mux.verify(output, FRAMES, FPS, 96, 64, longer, Encoding(audio_codec=codec))
