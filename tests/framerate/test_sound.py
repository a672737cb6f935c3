"""The sound is that of the source, packet by packet, as far from the pictures as it was."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from framerate.videos import picture_times, scene, sound_packets, video_with_sound
from media_factory import noise, sine, write_video
from soundreel import interpolate
from soundreel.config import Settings
from soundreel.errors import InputError


def samples(path: Path, track: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp")
        frames = [
            made for frame in container.decode(audio=track) for made in resampler.resample(frame)
        ]
        return np.concatenate([np.asarray(frame.to_ndarray(), np.float32) for frame in frames], 1)


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [("a.mp4", "aac", 2), ("a.mkv", "libopus", 1), ("a.mkv", "flac", 6), ("a.mkv", "libmp3lame", 2),
     ("a.mp4", "alac", 1), ("a.mkv", "pcm_s16le", 1), ("a.mkv", "ac3", 2)],
)  # fmt: skip
def test_packets_are_copied(
    tmp_path: Path, settings: Settings, name: str, codec: str, channels: int
) -> None:
    sound = np.repeat(noise(1.5, rate=48000), channels, axis=0)
    video = write_video(
        tmp_path / name, scene(20), samples=sound, rate=48000, sound_codec=codec,
    )  # fmt: skip
    made = interpolate(video, output=tmp_path / "b.mp4", settings=settings)
    was, now = sound_packets(video), sound_packets(made.path)
    assert b"".join(data for data, _ in now) == b"".join(data for data, _ in was)
    if codec != "pcm_s16le":  # which a reader cuts as it likes
        assert [data for data, _ in now] == [data for data, _ in was]
        times = zip(was, now, strict=True)
        assert all(abs(one - other) <= Fraction(1, 1000) for (_, one), (_, other) in times)
    heard, before = samples(made.path), samples(video)
    assert abs(heard.shape[1] - before.shape[1]) <= 1024
    middle = slice(5000, 60_000)
    shifts = range(-48, 49) if name.endswith("mkv") else [0]  # whose times are milliseconds
    assert any(
        np.array_equal(heard[:, middle], before[:, middle.start + by : middle.stop + by])
        for by in shifts
    )


@pytest.mark.parametrize("delay", ["1/4", "0"])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "mov"])
def test_a_sound_that_begins_later_does_so_still(
    tmp_path: Path, settings: Settings, ending: str, delay: str
) -> None:
    video = write_video(
        tmp_path / f"a.{ending}", scene(20), samples=sine(1, rate=48000), rate=48000,
        sound_codec="aac", sound_start=Fraction(delay),
    )  # fmt: skip
    made = interpolate(video, output=tmp_path / "b.mp4", settings=settings)
    (_, was), (_, now) = sound_packets(video)[0], sound_packets(made.path)[0]
    assert abs(now - was) <= Fraction(1, 1000)
    assert min(picture_times(made.path)[0], now) <= Fraction(1, 1000)


def test_every_track_stays_and_a_video_may_be_silent(tmp_path: Path, settings: Settings) -> None:
    one, two = video_with_sound(tmp_path / "1.mp4", 16), video_with_sound(tmp_path / "2.mp4", 16)
    streams: list[Any] = []
    with (
        av.open(str(one)) as first,
        av.open(str(two)) as second,
        av.open(str(tmp_path / "a.mkv"), "w") as output,
    ):
        wanted = [(first, "video"), (first, "audio"), (second, "audio")]
        for number, (source, kind) in enumerate(wanted):
            track = getattr(source.streams, kind)[0]
            stream = output.add_stream_from_template(track)
            stream.metadata["language"] = ["und", "eng", "fin"][number]
            streams.append((source, track, stream))
        for source, track, stream in streams:
            source.seek(0)
            for packet in source.demux(track):
                if packet.size:
                    packet.stream = stream
                    output.mux(packet)
    made = interpolate(tmp_path / "a.mkv", output=tmp_path / "b.mp4", settings=settings)
    assert [data for data, _ in sound_packets(made.path)] == [
        data for data, _ in sound_packets(tmp_path / "a.mkv")
    ]
    with av.open(str(made.path)) as container:
        assert len(container.streams.audio) == 2
        assert container.streams.audio[1].metadata["language"] == "fin"
    silent = write_video(tmp_path / "s.mp4", scene(6))
    made = interpolate(silent, output=tmp_path / "t.mp4", settings=settings)
    with av.open(str(made.path)) as container:
        assert not container.streams.audio


def test_sound_that_the_container_cannot_hold_is_told_at_once(
    tmp_path: Path, settings: Settings
) -> None:
    video = write_video(
        tmp_path / "a.mkv", scene(6), samples=sine(0.5, rate=48000), rate=48000,
        sound_codec="libopus",
    )  # fmt: skip
    with pytest.raises(InputError, match="OPUS sound cannot stay as it is in an MOV") as raised:
        interpolate(video, output=tmp_path / "b.mov", settings=settings)
    assert ".mp4" in raised.value.hint
    assert not (tmp_path / "b.mov").exists()
