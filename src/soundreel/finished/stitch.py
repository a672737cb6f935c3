"""The pictures of a finished video as pieces again: every piece is a closed group of pictures, and
its packets stand alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from soundreel.errors import WorkError
from soundreel.media.container import decodable, open_media
from soundreel.video.encoders import Encoder
from soundreel.video.mux import picture_stream
from soundreel.video.storage import writing
from soundreel.video.writer import open_piece


def copy_pictures(video: Path, frames: range, fps: Fraction, piece: Path, encoder: Encoder) -> None:
    """The packets of these pictures of a video, as a piece of its own. Raises WorkError where they
    are not a closed group."""
    with open_media(video) as source, writing(piece):
        track = _pictures_of(source)
        with open_piece(piece, encoder, fps) as made:
            found = _copy(source, track, made, frames, fps, encoder)
    if found != len(frames):
        raise WorkError(
            f"pictures {frames.start} to {frames.stop - 1} of {video.name} do not stand alone",
            hint="it was changed by another program: make it again as a whole",
        )


def _copy(
    source: InputContainer,
    track: VideoStream,
    made: OutputContainer,
    frames: range,
    fps: Fraction,
    encoder: Encoder,
) -> int:
    stream, found = picture_stream(made, track, encoder), 0
    assert track.time_base is not None
    source.seek(int(frames.start / fps / track.time_base), stream=track)
    for packet in source.demux(track):
        if packet.pts is None or packet.time_base is None:
            continue
        frame = packet.pts * packet.time_base * fps
        if frame not in frames:
            if found:
                break
            continue
        if not found and not packet.is_keyframe:
            break
        packet.pts, packet.dts = int(frame) - frames.start, found - encoder.decode_delay
        packet.duration, packet.time_base, packet.stream = 1, 1 / fps, stream
        made.mux(packet)
        found += 1
        if found == len(frames):
            break
    return found


def _pictures_of(source: InputContainer) -> VideoStream:
    return next(
        stream
        for stream in decodable(source.streams.video)
        if not stream.disposition & Disposition.attached_pic
    )
