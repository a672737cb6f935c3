"""Reading videos: what they are, their pictures in right colours, their tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from av.codec import CodecContext
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from soundreel.errors import InputError
from soundreel.media.alpha import on_black
from soundreel.media.container import check_file, decodable, open_media, read_metadata
from soundreel.types import Rgb
from soundreel.video.animated import gif, webp

HINT = "give a video that plays, e.g. an MP4 or a WebM"

WITH_ALPHA = {"alpha_mode": "1"}
"""What FFmpeg calls the mark of a WebM whose pictures have alpha (AlphaMode)."""

_UNSPECIFIED = 2
"""AVCOL_SPC_UNSPECIFIED."""

_HD_HEIGHT = 720
"""From here on an untagged stream is taken as BT.709, below as BT.601, as players do."""

_EXACT = 0x2 | 0x2000 | 0x4000 | 0x40000
"""swscale's BILINEAR, FULL_CHR_H_INT, FULL_CHR_H_INP and ACCURATE_RND, which PyAV names from 18 on.
Without these flags swscale comes out 1.3 levels too dark, up to 4 at worst."""


_AREA = 0x20
"""swscale's AREA: every pixel counts in a reduced picture."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video file holds. width, height: as shown (a phone's rotation applied). fps: the
    average rate. audio_*: of the first sound track; None, 0 and 0 without one. alpha: whether its
    pictures say how opaque they are."""

    path: Path
    container: str
    codec: str
    width: int
    height: int
    fps: Fraction
    num_frames: int
    duration: Fraction
    audio_codec: str | None
    audio_rate: int
    audio_channels: int
    tags: Mapping[str, str]
    alpha: bool = False


def probe_video(path: Path) -> VideoInfo:
    """Look at the file; decodes one picture. Raises InputError if there is no video in it."""
    with open_media(path, InputError, HINT) as container:
        stream = picture_track(container, path)
        first = next(decoded(container, stream), None)
        if first is None:
            raise InputError(f"no picture can be decoded from {path}", hint=HINT)
        turned = first.rotation % 180 != 0
        num_frames, duration = _length(path, stream)
        sound = next(iter(decodable(container.streams.audio)), None)
        return VideoInfo(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=_average_rate(stream) or num_frames / duration,
            num_frames=num_frames,
            duration=duration,
            audio_codec=sound.codec_context.name if sound else None,
            audio_rate=sound.rate if sound else 0,
            audio_channels=sound.channels if sound else 0,
            tags=read_tags(path),
            alpha=is_clear(first),
        )


def read_frames(path: Path, start: int = 0) -> Iterator[Rgb]:
    """The pictures from number `start` on, in the order of showing, upright, converted with the
    stream's own colour matrix, one with alpha as over black. Raises InputError where the file is
    not a video or breaks off."""
    with open_media(path, InputError, HINT) as container:
        for frame in islice(decoded(container, picture_track(container, path)), start, None):
            yield _to_rgb(frame)


def read_shown(path: Path, side: int) -> Iterator[tuple[Fraction, Rgb]]:
    """(second on the file's own clock, picture reduced to at most `side` pixels a side), as
    `read_frames` gives them. A picture without a time of its own has that of the one before."""
    time = Fraction(0)
    with open_media(path, InputError, HINT) as container:
        for frame in decoded(container, picture_track(container, path)):
            if frame.pts is not None and frame.time_base is not None:
                time = frame.pts * frame.time_base
            yield time, _to_rgb(frame, side)


def read_tags(path: Path) -> dict[str, str]:
    """The file's tags, named in small letters: those of its container, the comments of a GIF, the
    XMP of a WebP. Raises InputError if it is not a media file."""
    check_file(path, InputError, HINT)
    if ours := gif.read_comments(path) or webp.read_xmp(path):
        return ours
    with open_media(path, InputError, HINT) as container:
        return {key.lower(): value for key, value in read_metadata(container).items()}


def picture_track(container: InputContainer, path: Path) -> VideoStream:
    """The pictures of an opened file, not its cover. Raises InputError where it has none."""
    streams = [
        stream
        for stream in decodable(container.streams.video)
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise InputError(f"{path} has no picture track that can be decoded", hint=HINT)
    stream = streams[0]
    stream.thread_type = "AUTO"
    return stream


def has_alpha(stream: VideoStream) -> bool:
    """Whether its pictures say how opaque they are. Of VP9 only the WebM around it knows."""
    said = {key.lower(): value for key, value in stream.metadata.items()}
    return WITH_ALPHA.items() <= said.items() or _clear(stream.codec_context.format)


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The stream's pictures from where the container stands, with their alpha. FFmpeg's own decoder
    of VP9 leaves that out; libvpx reads it."""
    if not (stream.codec_context.codec.canonical_name == "vp9" and has_alpha(stream)):
        yield from container.decode(stream)
        return
    decoder = CodecContext.create("libvpx-vp9", "r")
    assert isinstance(decoder, VideoCodecContext)
    for packet in container.demux(stream):
        yield from decoder.decode(packet if packet.size else None)


def is_clear(frame: VideoFrame) -> bool:
    """Whether the picture has alpha."""
    return _clear(frame.format)


def _clear(form: VideoFormat | None) -> bool:
    return form is not None and any(part.is_alpha for part in form.components)


def _average_rate(stream: VideoStream) -> Fraction | None:
    rate = stream.average_rate  # no Fraction, but PyAV's own kind of number from 19 on
    return Fraction(rate.numerator, rate.denominator) if rate else None


def _length(path: Path, stream: VideoStream) -> tuple[int, Fraction]:
    """Pictures and seconds: from the header where it has them, else counted."""
    if stream.frames and stream.duration and stream.time_base:
        return stream.frames, stream.duration * stream.time_base
    count, end = 0, Fraction(0)
    with open_media(path, InputError, HINT) as container:
        for packet in container.demux(picture_track(container, path)):
            if packet.pts is not None and packet.time_base is not None:
                count += 1
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    if count == 0 or end <= 0:
        raise InputError(f"{path} has no pictures", hint=HINT)
    return count, end


def _to_rgb(frame: VideoFrame, side: int | None = None) -> Rgb:
    shrink = 1.0 if side is None else min(1.0, side / max(frame.width, frame.height))
    clear = is_clear(frame)
    converted = frame.reformat(
        width=max(2, round(frame.width * shrink)),
        height=max(2, round(frame.height * shrink)),
        format="rgba" if clear else "rgb24",
        src_colorspace=_untagged_matrix(frame),
        interpolation=_EXACT if shrink == 1 else _AREA,
    )
    rgb = np.asarray(converted.to_ndarray(), dtype=np.uint8)
    rgb = on_black(rgb) if clear else rgb
    turns = frame.rotation // 90 % 4
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _untagged_matrix(frame: VideoFrame) -> str | None:
    """What to take for the colour matrix; None where the stream says it."""
    if frame.colorspace != _UNSPECIFIED:
        return None
    return "ITU709" if frame.height >= _HD_HEIGHT else "ITU601"
