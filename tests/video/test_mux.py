from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from media_factory import clicks, noise, sine, write_audio
from oracle import run_ffmpeg
from soundreel.audio import segment
from soundreel.errors import Cancelled, InputError, WorkError
from soundreel.events import Event, Notice, RunControl
from soundreel.types import AudioClip, Encoding
from soundreel.video import mux
from soundreel.video.sound_format import AAC_FRAME, aac_rate
from video_factory import (
    B_FRAMES,
    FAST,
    cv2_pictures,
    notices_into,
    number_of,
    sound_clip,
    write_pieces,
)

RATES = [Fraction(16), Fraction(23), Fraction(25), Fraction(30000, 1001), Fraction(60)]
LENGTHS = (1, 2, 3, 17, 1, 9, 2)
COUNT = sum(LENGTHS)


def join(
    folder: Path,
    fps: Fraction = Fraction(16),
    *,
    lengths: Sequence[int] = LENGTHS,
    samples: np.ndarray | None = None,
    rate: int = 44100,
    encoding: Encoding = B_FRAMES,
    tags: dict[str, str] | None = None,
    control: RunControl | None = None,
) -> Path:
    """A finished file of numbered pictures with the samples (default: a sine) as its sound."""
    pieces = write_pieces(folder, lengths, fps, encoding)
    if samples is None:
        samples = sine(float(sum(lengths) / fps) + 0.1, rate=rate, channels=2)
    clip = sound_clip(folder, samples, rate, sum(lengths), fps)
    output = folder / "out.mp4"
    mux.finish(pieces, clip, output, fps, tags or {}, control or RunControl())
    return output


def picture_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
        stamps = [
            (packet.dts, packet.pts)
            for packet in container.demux(video=0)
            if packet.dts is not None and packet.pts is not None
        ]
        assert base is not None
        assert [dts for dts, _ in stamps] == sorted({dts for dts, _ in stamps})
        assert all(dts <= pts for dts, pts in stamps)
        return sorted(pts * base for _, pts in stamps)


def length_of(stream: av.VideoStream | av.AudioStream) -> Fraction:
    """Seconds that the container says."""
    assert stream.duration is not None
    assert stream.time_base is not None
    return stream.duration * stream.time_base


def decoded_sound(path: Path) -> tuple[np.ndarray, int]:
    """(channels, n) as a player presents it, and the rate."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray() for frame in container.decode(stream)]
        length = length_of(stream) * stream.rate
        return np.concatenate(blocks, axis=1)[:, : int(length)], stream.rate


@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("encoding", [FAST, B_FRAMES])
def test_pieces_of_any_length_join_on_the_exact_frame_grid(
    tmp_path: Path, fps: Fraction, encoding: Encoding
) -> None:
    path = join(tmp_path, fps, encoding=encoding)
    assert picture_times(path) == [index / fps for index in range(COUNT)]
    assert [number_of(picture) for picture in cv2_pictures(path)] == list(range(COUNT))


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    fps=st.sampled_from([*RATES, Fraction(24000, 1001), Fraction(1), Fraction("59.94")]),
    preset=st.sampled_from(["ultrafast", "veryfast", "slow"]),
)
def test_however_a_clip_is_cut_nothing_is_lost_or_moved(
    lengths: list[int], fps: Fraction, preset: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = join(Path(folder), fps, lengths=lengths, rate=8000, encoding=Encoding(30, preset))
        count = sum(lengths)
        assert picture_times(path) == [index / fps for index in range(count)]
        mux.verify(path, count, fps, 96, 64, count / fps)
        assert [number_of(picture) for picture in cv2_pictures(path)] == list(range(count))


@pytest.mark.parametrize("fps", RATES, ids=str)
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_picture_and_sound_are_equally_long(tmp_path: Path, fps: Fraction, rate: int) -> None:
    path = join(tmp_path, fps, lengths=[3, 20], rate=rate, encoding=FAST)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.start_time, audio.start_time, audio.rate) == (0, 0, rate)
        assert length_of(video) == 23 / fps
        assert 0 <= length_of(audio) - 23 / fps < Fraction(1, rate)


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30000, 1001)], ids=str)
def test_ffmpeg_finds_every_picture_and_sample_in_place(tmp_path: Path, fps: Fraction) -> None:
    samples = noise(float(COUNT / fps) + 0.1, rate=48000, level=0.2)
    path = str(join(tmp_path, fps, samples=samples, rate=48000))
    report = run_ffmpeg(
        "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "demux",
        "-f", "framecrc", "-",
    ).decode()  # fmt: skip
    base = Fraction(next(line for line in report.splitlines() if line.startswith("#tb 0"))[6:])
    lines = [line.split(",") for line in report.splitlines() if not line.startswith("#")]
    assert [int(line[2]) * base for line in lines] == [index / fps for index in range(COUNT)]
    sound = np.frombuffer(run_ffmpeg("-i", path, "-map", "0:a", "-f", "f32le", "-"), np.float32)
    wanted = math.ceil(COUNT / fps * 48000)
    assert wanted <= len(sound) < wanted + AAC_FRAME
    for begin in (0, wanted - 5000):
        matches = [
            float(np.dot(sound[begin + 50 : begin + 4900], samples[0, begin + lag :][:4850]))
            for lag in range(101)
        ]
        assert int(np.argmax(matches)) == 50


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_click_comes_out_at_its_sample_in_every_channel(tmp_path: Path, channels: int) -> None:
    times = [0.05, 0.5, 1.9]
    samples = clicks(2.1, times, rate=48000, channels=channels)
    if channels == 6:
        samples[3] = 0  # the low-frequency channel of 5.1 carries no click
    sound, rate = decoded_sound(join(tmp_path, lengths=[33], samples=samples, rate=48000))
    assert (rate, sound.shape) == (48000, (channels, 33 * 3000))
    for channel in set(range(channels)) - ({3} if channels == 6 else set()):
        for time in times:
            place = round(time * rate)
            window = np.abs(sound[channel, place - 2000 : place + 2000])
            assert abs(int(window.argmax()) - 2000) <= 1


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_sound_lies_sample_on_sample_from_first_to_last(tmp_path: Path, rate: int) -> None:
    samples = noise(2.2, rate=rate, channels=1, level=0.2)
    path = join(tmp_path, lengths=[33], samples=samples, rate=rate)
    sound, _ = decoded_sound(path)
    for begin in (0, sound.shape[1] - 4000):
        ours = sound[0, begin : begin + 4000]
        matches = [
            float(np.dot(ours[50:-50], samples[0, begin + 50 + lag : begin + 3950 + lag]))
            for lag in range(-50, 51)
        ]
        assert int(np.argmax(matches)) == 50


def test_a_layout_is_kept_by_name(tmp_path: Path) -> None:
    for channels, name in ((1, "mono"), (2, "stereo"), (6, "5.1")):
        path = join(tmp_path, lengths=[2], samples=sine(0.2, channels=channels))
        with av.open(str(path)) as container:
            assert container.streams.audio[0].layout.name == name


@pytest.mark.parametrize(("channels", "stored"), [(3, 3), (4, 4), (7, 7), (8, 8), (9, 1), (16, 1)])
def test_any_number_of_channels_is_stored_or_mixed_and_said(
    tmp_path: Path, channels: int, stored: int
) -> None:
    said: list[Event] = []
    samples = np.concatenate([sine(1.1, 300 + 100 * channel) for channel in range(channels)])
    wavfile.write(tmp_path / "many.wav", 44100, samples.T)
    clip = AudioClip(tmp_path / "many.wav", Fraction(0), Fraction(1), Fraction(1), 44100, channels)
    pieces = write_pieces(tmp_path, [16], Fraction(16))
    output = tmp_path / "o.mp4"
    mux.finish(pieces, clip, output, Fraction(16), {}, notices_into(said))
    sound, rate = segment.read(output, Fraction(0), Fraction(1)), 44100
    assert sound.shape == (stored, rate)
    assert len(said) == (stored != channels)
    if stored == channels:  # in AAC's own order; of the low-frequency channel only the lows
        tones = {round(_loudest(sound[channel], rate), -2) for channel in range(channels)}
        assert tones >= {300 + 100 * channel for channel in range(channels) if channel != 3}


def _loudest(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound[:8192]))
    return float(np.fft.rfftfreq(8192, 1 / rate)[spectrum.argmax()])


def test_channels_keep_their_places(tmp_path: Path) -> None:
    samples = np.zeros((6, 44100), np.float32)
    for channel in range(6):
        samples[channel] = sine(1, 60.0 if channel == 3 else 300.0 + 200 * channel)[0]
    sound, rate = decoded_sound(join(tmp_path, lengths=[16], samples=samples))
    for channel in range(6):
        spectrum = np.abs(np.fft.rfft(sound[channel]))
        loudest = np.fft.rfftfreq(sound.shape[1], 1 / rate)[spectrum.argmax()]
        assert loudest == pytest.approx(60 if channel == 3 else 300 + 200 * channel, abs=3)


def test_silence_fills_what_the_clip_asks_beyond_its_sound(tmp_path: Path) -> None:
    pieces = write_pieces(tmp_path, [32], Fraction(16))
    clip = sound_clip(tmp_path, sine(2.0, level=0.5), 44100, 32, Fraction(16))
    clip = replace(clip, sound_duration=Fraction(1))
    mux.finish(pieces, clip, tmp_path / "o.mp4", Fraction(16), {}, RunControl())
    sound, _ = decoded_sound(tmp_path / "o.mp4")
    assert sound.shape[1] == 88200
    assert np.abs(sound[:, 20000:42000]).max() > 0.4
    assert np.abs(sound[:, 47000:]).max() < 1e-3


@pytest.mark.parametrize(
    ("rate", "channels", "stored_rate", "stored_channels", "word"),
    [(192000, 1, 96000, 1, "96000"), (37800, 2, 44100, 2, "44100"), (6000, 1, 7350, 1, "7350")],
)
def test_a_rate_unknown_to_aac_is_changed_and_said(
    tmp_path: Path, rate: int, channels: int, stored_rate: int, stored_channels: int, word: str
) -> None:
    said: list[Event] = []
    samples = sine(1.2, 200.0, rate=rate, channels=channels)
    path = join(tmp_path, lengths=[16], samples=samples, rate=rate, control=notices_into(said))
    sound, found = decoded_sound(path)
    assert (found, sound.shape) == (stored_rate, (stored_channels, stored_rate))
    assert any(isinstance(event, Notice) and word in event.message for event in said)


def test_the_usual_sound_is_stored_without_a_word(tmp_path: Path) -> None:
    said: list[Event] = []
    join(tmp_path, lengths=[4], control=notices_into(said))
    assert said == []


@pytest.mark.parametrize(("rate", "fps"), [(7350, Fraction(60)), (96000, Fraction(8))])
def test_one_picture_is_a_whole_video(tmp_path: Path, rate: int, fps: Fraction) -> None:
    path = join(tmp_path, fps, lengths=[1], rate=rate)
    mux.verify(path, 1, fps, 96, 64, 1 / fps)
    assert [number_of(picture) for picture in cv2_pictures(path)] == [0]


def test_big_tags_of_any_text_survive(tmp_path: Path) -> None:
    record = json.dumps({"prompt": "Grüße, 世界 = ; # \\ \n\t\"'", "plan": list(range(5000))})
    assert len(record) > 10_000
    path = join(tmp_path, lengths=[4], tags={"soundreel": record, "title": "a=b"})
    with av.open(str(path)) as container:
        assert container.metadata["soundreel"] == record
        assert container.metadata["title"] == "a=b"
        assert "creation_time" not in container.metadata
        assert "encoder" not in container.metadata


def test_the_index_lies_before_the_pictures(tmp_path: Path) -> None:
    data = join(tmp_path).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_joining_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = join(tmp_path).read_bytes()
    assert join(tmp_path).read_bytes() == first


def test_cancelling_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    class StopsSoon(RunControl):
        asked = 0

        def raise_if_cancelled(self) -> None:
            self.asked += 1
            if self.asked == 20:
                raise Cancelled("stopped on request")

    with pytest.raises(Cancelled):
        join(tmp_path, control=StopsSoon())
    assert not (tmp_path / "out.mp4").exists()


def test_pieces_of_two_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    pieces = write_pieces(tmp_path, [4], Fraction(16), B_FRAMES)
    pieces += write_pieces(tmp_path / "a", [4], Fraction(16), FAST)
    clip = sound_clip(tmp_path, sine(1.0), 44100, 8, Fraction(16))
    with pytest.raises(WorkError, match="otherwise"):
        mux.finish(pieces, clip, tmp_path / "o.mp4", Fraction(16), {}, RunControl())
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("damage", ["cut", "no track", "empty", "gone"])
def test_a_damaged_piece_is_named(tmp_path: Path, damage: str) -> None:
    pieces = write_pieces(tmp_path, [4, 4], Fraction(16))
    data = pieces[1].read_bytes()
    damaged = {"cut": data[:200], "no track": data.replace(b"avc1", b"what"), "empty": b""}
    pieces[1].write_bytes(damaged.get(damage, b""))
    if damage == "gone":
        pieces[1].unlink()
    clip = sound_clip(tmp_path, sine(1.0), 44100, 8, Fraction(16))
    with pytest.raises(WorkError, match=r"piece1\.mp4"):
        mux.finish(pieces, clip, tmp_path / "o.mp4", Fraction(16), {}, RunControl())
    assert not (tmp_path / "o.mp4").exists()


def test_a_sound_that_vanished_is_an_input_error(tmp_path: Path) -> None:
    pieces = write_pieces(tmp_path, [4], Fraction(16))
    clip = AudioClip(tmp_path / "none.wav", Fraction(0), Fraction(1, 4), Fraction(1, 4), 44100, 1)
    with pytest.raises(InputError, match=r"none\.wav"):
        mux.finish(pieces, clip, tmp_path / "o.mp4", Fraction(16), {}, RunControl())
    assert not (tmp_path / "o.mp4").exists()


def test_aac_rates_never_lose_sound_that_fits() -> None:
    assert [aac_rate(rate) for rate in (4000, 16000, 44056, 50000)] == [7350, 16000, 44100, 64000]
    assert aac_rate(384000) == 96000


class TestVerify:
    """A file that is not what the plan says is caught, whatever is wrong with it."""

    fps = Fraction(16)

    def test_accepts_what_finish_made(self, tmp_path: Path) -> None:
        mux.verify(join(tmp_path), COUNT, self.fps, 96, 64, COUNT / self.fps)

    @pytest.mark.parametrize(
        ("frames", "fps", "width", "words"),
        [
            (COUNT + 1, 16, 96, "pictures"),
            (COUNT - 1, 16, 96, "frame"),
            (COUNT, 25, 96, "frame"),
            (COUNT, 16, 98, "size"),
        ],
    )
    def test_refuses_another_plan(
        self, tmp_path: Path, frames: int, fps: int, width: int, words: str
    ) -> None:
        with pytest.raises(WorkError, match=words):
            mux.verify(join(tmp_path), frames, Fraction(fps), width, 64, COUNT / self.fps)

    def test_refuses_sound_of_another_length(self, tmp_path: Path) -> None:
        wrong = COUNT / self.fps + Fraction(AAC_FRAME + 2, 44100)
        with pytest.raises(WorkError, match="sound"):
            mux.verify(join(tmp_path), COUNT, self.fps, 96, 64, wrong)

    def test_refuses_a_file_without_sound(self, tmp_path: Path) -> None:
        piece = write_pieces(tmp_path, [4], self.fps)[0]
        with pytest.raises(WorkError, match="missing"):
            mux.verify(piece, 4, self.fps, 96, 64, 4 / self.fps)

    @pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
    def test_refuses_a_file_that_breaks_off(self, tmp_path: Path, keep: float) -> None:
        path = join(tmp_path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(WorkError):
            mux.verify(path, COUNT, self.fps, 96, 64, COUNT / self.fps)

    def test_refuses_pictures_that_cannot_be_decoded(self, tmp_path: Path) -> None:
        path = join(tmp_path)
        data = bytearray(path.read_bytes())
        begin = data.index(b"mdat") + 4
        data[begin : begin + 4000] = bytes(4000)
        path.write_bytes(data)
        with pytest.raises(WorkError):
            mux.verify(path, COUNT, self.fps, 96, 64, COUNT / self.fps)

    def test_refuses_a_file_that_is_not_there_or_no_video(self, tmp_path: Path) -> None:
        with pytest.raises(WorkError):
            mux.verify(tmp_path / "none.mp4", 1, self.fps, 96, 64, 1 / self.fps)
        sound = write_audio(tmp_path / "s.m4a", sine(1.0))
        with pytest.raises(WorkError, match="missing"):
            mux.verify(sound, 1, self.fps, 96, 64, 1 / self.fps)
