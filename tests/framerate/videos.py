"""Videos of strangers for the tests of this suite, and what is read of them by PyAV alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from media_factory import sine, write_video
from soundreel.types import Rgb
from video_factory import moving_scene, texture

SIZE = (152, 104)


def scene(count: int, fps: Fraction = Fraction(16), begin: float = 0) -> list[Rgb]:
    """Pictures that move, from second `begin` on."""
    return [moving_scene(begin + float(i / fps), SIZE) for i in range(count)]


def other_scene(count: int) -> list[Rgb]:
    wide = texture(SIZE[0] + 3 * count, SIZE[1], seed=7)
    return [np.ascontiguousarray(wide[:, 3 * i : 3 * i + SIZE[0]]) for i in range(count)]


def video_with_sound(path: Path, count: int, fps: Fraction = Fraction(16)) -> Path:
    seconds = float(count / fps)
    return write_video(
        path, scene(count, fps), fps, samples=sine(seconds, rate=48000), rate=48000,
        sound_codec="aac", options={"crf": "10"},
    )  # fmt: skip


def write_at_times(
    path: Path, pictures: Sequence[Rgb], ticks: Sequence[int], tick: Fraction
) -> Path:
    """A video without sound whose pictures appear at these ticks."""
    with av.open(str(path), "w") as output:
        height, width = pictures[0].shape[:2]
        stream = output.add_stream("libx264", rate=30, width=width, height=height)
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "10", "bf": "0"}
        stream.codec_context.time_base = tick
        for picture, at in zip(pictures, ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def sound_packets(path: Path) -> list[tuple[bytes, Fraction]]:
    """Of all sound tracks: content, and when it is heard after the first picture."""
    begin = picture_times(path)[0]
    with av.open(str(path)) as container:
        tracks = container.streams.audio
        order = {track.index: number for number, track in enumerate(tracks)}
        found = [
            (
                order[packet.stream_index],
                bytes(packet),
                (packet.pts or 0) * packet.time_base - begin,
            )
            for packet in container.demux(*tracks)
            if packet.size and packet.time_base
        ]
    return [(data, time) for _, data, time in sorted(found, key=lambda one: one[0])]


def picture_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [
            frame.pts * frame.time_base
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]


def pictures_of(path: Path) -> list[Rgb]:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(video=0)
        ]


def apart(one: Rgb, other: Rgb) -> float:
    """Mean difference in levels of grey, on copies of one size."""
    small = [
        cv2.resize(each, (76, 52), interpolation=cv2.INTER_AREA).mean(axis=2)
        for each in (one, other)
    ]
    return float(np.abs(small[0] - small[1]).mean())
