"""Pieces and sound into the finished file, and the check that it is right."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from soundreel.errors import WorkError
from soundreel.events import FrameJoined, RunControl
from soundreel.media import marks
from soundreel.media.container import decodable, open_media, url
from soundreel.types import AudioClip, Cue, Encoding
from soundreel.video import copying, sound
from soundreel.video.animated import gif, webp
from soundreel.video.animated.strip import Strip
from soundreel.video.containers import container_of
from soundreel.video.encoders import Encoder, encoder_for
from soundreel.video.reader import WITH_ALPHA, has_alpha, probe_video, read_frames
from soundreel.video.sound_format import SoundFormat, stored_as
from soundreel.video.storage import discard, writing
from soundreel.video.verify import verify as verify
from soundreel.words import track as subtitles
from soundreel.work.files import sync

_TWINS = ("h264", "hevc")
"""Decoders that have the name of an encoder."""

_HEVC_ARRAYS = 22
"""Where HEVC's settings count their arrays."""

_WEBM_OPTIONS = {"fflags": "+bitexact", "cues_to_front": "1"}
"""bitexact: no random number names the file."""

_TOLD_FRAMES = 16

_T = TypeVar("_T")

_WITH_BOXES = ("mp4", "mov")

_PIECE_HINT = "remove the work folder of this job, then run the same command again"


def finish(
    segments: Sequence[Path],
    audio: AudioClip,
    output: Path,
    fps: Fraction,
    tags: Mapping[str, str],
    control: RunControl,
    encoding: Encoding = Encoding(),  # noqa: B008  (frozen)
    cues: Sequence[Cue] = (),
) -> None:
    """Join the pieces as they are, add the clip's sound, if it has any, as `encoding` says, a track
    of subtitles of the cues, if there are any, and the tags, in one file that starts to play before
    it is loaded; GIF and WebP are drawn anew from the pieces, and have neither sound nor track.
    Raises WorkError; a file cut short is removed."""
    try:
        with writing(output):
            if container_of(encoding).silent:
                _draw(segments, audio, output, fps, tags, control, encoding)
            else:
                _join(segments, audio, output, fps, tags, control, encoding, cues)
            if marks.TAG in tags and container_of(encoding).name in _WITH_BOXES:
                marks.append_box(output, tags[marks.TAG])
            sync(output)
    except BaseException:
        discard(output)
        raise


def _join(
    segments: Sequence[Path],
    audio: AudioClip,
    output: Path,
    fps: Fraction,
    tags: Mapping[str, str],
    control: RunControl,
    encoding: Encoding,
    cues: Sequence[Cue],
) -> None:
    form = stored_as(audio, encoding)
    kind = container_of(encoding).name
    options = _WEBM_OPTIONS if kind == "webm" else mp4_options(fps, form.rate if form else 1)
    container = av.open(url(output), "w", format=kind, options=options)
    try:
        container.metadata.update(tags)
        video = add_pictures(container, segments[0], encoder_for(encoding))
        tracks: list[Iterator[Packet[Any]]] = [
            told(
                pictures(segments, video, fps, encoder_for(encoding).decode_delay),
                math.ceil(audio.duration * fps),
                control,
            ),
        ]
        if form is not None:
            tracks.append(_sound(container, audio, form, control))
        if cues:
            track = subtitles.add_stream(container, container_of(encoding).subtitles)
            tracks.append(subtitles.packets(track, cues, audio))
        for packet in heapq.merge(*tracks, key=decode_time):
            control.raise_if_cancelled()
            container.mux(packet)
    except BaseException:
        discard(output)  # what is gone, FFmpeg does not rewrite to put the index first
        with suppress(av.FFmpegError, OSError):
            container.close()
        raise
    container.close()


def _draw(
    segments: Sequence[Path],
    audio: AudioClip,
    output: Path,
    fps: Fraction,
    tags: Mapping[str, str],
    control: RunControl,
    encoding: Encoding,
) -> None:
    write = gif.write if container_of(encoding).name == "gif" else webp.write
    first = probe_video(segments[0])
    count = math.ceil(audio.duration * fps)
    strip = Strip(
        lambda: told(chain.from_iterable(map(read_frames, segments)), count, control),
        (first.width, first.height),
        fps,
    )
    write(output, strip, tags, control)


def told(packets: Iterable[_T], total: int, control: RunControl) -> Iterator[_T]:
    """The pictures or their packets as they are, with a word of progress now and then."""
    for done, packet in enumerate(packets, 1):
        yield packet
        if done == total or done % _TOLD_FRAMES == 0:
            control.emit(FrameJoined(done, total))


def _sound(
    container: OutputContainer, audio: AudioClip, form: SoundFormat, control: RunControl
) -> Iterator[Packet[Any]]:
    """Adds the track at once, so that the file's header knows it, and gives its packets."""
    if form.codec == "copy":
        return copying.packets(copying.add_stream(container, audio), audio, control)
    return sound.packets(sound.add_stream(container, form), audio, form, control)


def mp4_options(fps: Fraction, rate: int) -> dict[str, str]:
    """Edit lists count in the movie timescale: one that holds frames and samples is exact."""
    timescale = math.lcm(fps.numerator, rate)
    return {
        "fflags": "+bitexact",
        "movflags": "+faststart+use_metadata_tags",
        "movie_timescale": str(timescale if timescale < 1 << 24 else 705_600),
    }


def add_pictures(container: OutputContainer, first: Path, encoder: Encoder) -> VideoStream:
    """A stream for the packets of all pieces, of which `first` is one."""
    with open_media(first, WorkError, _PIECE_HINT) as piece:
        return picture_stream(container, _picture_track(piece, first), encoder)


def picture_stream(container: OutputContainer, track: VideoStream, encoder: Encoder) -> VideoStream:
    """A stream that takes the packets of `track`, which the encoder made, as they are."""
    # Without `opaque` PyAV looks for an encoder of the name of the decoder: dav1d has none.
    opaque = track.codec_context.name not in _TWINS
    stream = container.add_stream_from_template(track, opaque=opaque)
    if encoder.tag:
        stream.codec_context.codec_tag = encoder.tag
    if has_alpha(track):
        stream.metadata.update(WITH_ALPHA)
    return stream


def pictures(
    segments: Sequence[Path], stream: VideoStream, fps: Fraction, delay: int
) -> Iterator[Packet[VideoStream]]:
    """The packets of all pieces, timed in frames of the whole clip. Pieces of one or two pictures
    have no delay of their own, so the decoding times are counted anew with a constant one."""
    first_frame = decoded = 0
    expected = _settings(stream)
    for path in segments:
        with open_media(path, WorkError, _PIECE_HINT) as piece:
            source = _picture_track(piece, path)
            if _settings(source) != expected:
                raise WorkError(
                    f"{path.name} was encoded otherwise than the pieces before it",
                    hint=_PIECE_HINT,
                )
            count = 0
            for packet in piece.demux(source):
                if packet.pts is None or packet.time_base is None:
                    continue
                frame = packet.pts * packet.time_base * fps
                packet.pts = first_frame + round(frame)  # WebM counts in milliseconds
                packet.dts = decoded - delay
                packet.duration = 1
                packet.time_base = 1 / fps
                packet.stream = stream
                count += 1
                decoded += 1
                yield packet
            first_frame += count


def _settings(stream: VideoStream) -> bytes:
    """The codec's own settings. HEVC's also say of each kind of parameter set whether all of them
    stand there (ISO/IEC 14496-15, `array_completeness`), which differs between a piece and a
    finished file: that is left out."""
    data = bytearray(stream.codec_context.extradata or b"")
    if (
        stream.codec_context.codec.canonical_name != "hevc"
        or len(data) < _HEVC_ARRAYS + 1
        or data[0] != 1
    ):
        return bytes(data)
    at = _HEVC_ARRAYS + 1
    for _ in range(data[_HEVC_ARRAYS]):
        data[at] &= 0x7F
        count, at = int.from_bytes(data[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
    return bytes(data)


def _picture_track(piece: InputContainer, path: Path) -> VideoStream:
    tracks = decodable(piece.streams.video)
    if not tracks:
        raise WorkError(f"{path.name} holds no pictures any more", hint=_PIECE_HINT)
    return tracks[0]


def decode_time(packet: Packet[Any]) -> Fraction:
    """In seconds, for merging tracks."""
    assert packet.dts is not None
    return packet.dts * packet.time_base
