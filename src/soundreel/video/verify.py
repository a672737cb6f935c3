"""Reads a finished file back and compares it with what was to be made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from soundreel.errors import WorkError
from soundreel.video.sound import AAC_FRAME
from soundreel.video.storage import reading

_HINT = "run the same command again: the finished chunks are kept and only joined anew"


def verify(
    path: Path, num_frames: int, fps: Fraction, width: int, height: int, duration: Fraction
) -> None:
    """Raise WorkError unless `path` holds exactly these pictures, picture i at i/fps, and sound
    from 0 to `duration`. Every packet is read; the first and the last picture are decoded."""
    with reading(path, WorkError, _HINT) as container:
        if not container.streams.video or not container.streams.audio:
            raise _wrong(path, "a picture or a sound track is missing")
        video, audio = container.streams.video[0], container.streams.audio[0]
        if (video.width, video.height) != (width, height):
            raise _wrong(path, f"size {video.width}x{video.height}, not {width}x{height}")
        _check_packets(path, container, num_frames, fps)
        _check_sound(path, audio, duration)
        _check_pictures(path, container, video, (num_frames - 1) / fps)


def _check_packets(path: Path, container: InputContainer, num_frames: int, fps: Fraction) -> None:
    seen = np.zeros(num_frames, dtype=bool)
    for packet in container.demux(video=0):
        if packet.pts is None or packet.time_base is None:
            continue
        frame = packet.pts * packet.time_base * fps
        if frame.denominator != 1 or not 0 <= frame < num_frames or seen[int(frame)]:
            raise _wrong(path, f"a picture at frame {frame} of {num_frames}")
        seen[int(frame)] = True
    if not seen.all():
        raise _wrong(path, f"{int(seen.sum())} pictures, not {num_frames}")


def _check_sound(path: Path, audio: AudioStream, duration: Fraction) -> None:
    if audio.duration is None or audio.time_base is None:
        raise _wrong(path, "a sound track without length")
    if audio.start_time:
        raise _wrong(path, f"the sound starts at {float(audio.start_time * audio.time_base)} s")
    excess = audio.duration * audio.time_base - duration
    if abs(excess) > Fraction(AAC_FRAME, audio.rate):
        raise _wrong(path, f"the sound is {float(excess):+.3f} s longer than the picture")


def _check_pictures(
    path: Path, container: InputContainer, stream: VideoStream, last: Fraction
) -> None:
    container.seek(0, stream=stream)
    first = next(container.decode(stream), None)
    if first is None or first.pts != 0:
        raise _wrong(path, "the first picture cannot be decoded")
    assert stream.time_base is not None
    container.seek(int(last / stream.time_base), stream=stream)
    shown = [frame.pts for frame in container.decode(stream) if frame.pts is not None]
    if not shown or shown[-1] * stream.time_base != last:
        raise _wrong(path, "the last picture cannot be decoded")


def _wrong(path: Path, what: str) -> WorkError:
    return WorkError(f"{path.name} did not come out right: {what}", hint=_HINT)
