"""New pictures, and sound and subtitles as they were, packet by packet, in one file; and the check
that they are."""

from __future__ import annotations

import hashlib
import heapq
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from soundreel.errors import InputError, WorkError
from soundreel.events import RunControl
from soundreel.framerate.source import Source
from soundreel.media import marks
from soundreel.media.container import BROKEN, decodable, open_media, url
from soundreel.types import Encoding
from soundreel.video import mux
from soundreel.video.containers import container_of
from soundreel.video.encoders import encoder_for
from soundreel.video.reader import HINT, picture_track
from soundreel.video.storage import discard, writing
from soundreel.work.files import sync

_ANY_RATE = 48000
_MOST_TICKS = 1 << 31
_NEAR = Fraction(1, 1000)
"""Seconds: containers that count coarsely say a start no better."""


def require_storable(source: Path, encoding: Encoding) -> None:
    """Raises InputError where the container cannot hold the source's sound or subtitles as they
    are."""
    kind = container_of(encoding).name
    with open_media(source, InputError, HINT) as original:
        for track in _kept(original):
            try:
                with av.open(io.BytesIO(), "w", format=kind) as trial:
                    trial.add_stream_from_template(track)
                    trial.start_encoding()
            except BROKEN as err:
                raise _unstorable(track, kind) from err


def _kept(original: InputContainer) -> list[AudioStream | SubtitleStream]:
    return [*decodable(original.streams.audio), *decodable(original.streams.subtitles)]


def _unstorable(track: AudioStream | SubtitleStream, kind: str) -> InputError:
    codec, other = track.codec_context.name.upper(), "mov" if kind == "mp4" else "mp4"
    if isinstance(track, SubtitleStream):
        return InputError(
            f"{codec} subtitles cannot stay as they are in an {kind.upper()}",
            hint="take them out first: ffmpeg -i VIDEO -map 0:v -map 0:a -c copy OTHER",
        )
    return InputError(
        f"{codec} sound cannot stay as it is in an {kind.upper()}",
        hint=f"name an output that ends in .{other}, or store the sound as AAC first",
    )


def finish(
    pieces: Sequence[Path],
    source: Source,
    output: Path,
    fps: Fraction,
    num_frames: int,
    tags: Mapping[str, str],
    encoding: Encoding,
    control: RunControl,
) -> None:
    """Raises WorkError; a file cut short is removed."""
    try:
        with writing(output):
            _join(pieces, source, output, fps, num_frames, tags, encoding, control)
            marks.append_box(output, tags[marks.TAG])
            sync(output)
    except BaseException:
        discard(output)
        raise


def _join(
    pieces: Sequence[Path],
    source: Source,
    output: Path,
    fps: Fraction,
    num_frames: int,
    tags: Mapping[str, str],
    encoding: Encoding,
    control: RunControl,
) -> None:
    with open_media(source.path, InputError, HINT) as original:
        sounds = decodable(original.streams.audio)
        rate = sounds[0].rate if sounds else _ANY_RATE
        options = mux.mp4_options(fps, rate)
        kind = container_of(encoding).name
        container = av.open(url(output), "w", format=kind, options=options)
        try:
            container.metadata.update(tags)
            encoder = encoder_for(encoding)
            stream = mux.add_pictures(container, pieces[0], encoder)
            made = mux.pictures(pieces, stream, fps, encoder.decode_delay)
            begin = _beginning(original, source)
            parts: list[Iterator[Packet[Any]]] = [
                mux.told(_later(made, source.starts - begin, fps), num_frames, control),
                _copied(container, original, _kept(original), begin),
            ]
            for packet in heapq.merge(*parts, key=mux.decode_time):
                control.raise_if_cancelled()
                container.mux(packet)
        except BaseException:
            discard(output)
            with suppress(av.FFmpegError, OSError):
                container.close()
            raise
        container.close()


def _beginning(original: InputContainer, source: Source) -> Fraction:
    """Second of the file's own clock that becomes 0: where the first track begins."""
    starts = (
        track.start_time * track.time_base
        for track in decodable(original.streams.audio)
        if track.start_time is not None and track.time_base is not None
    )
    return min([source.starts, *(max(start, Fraction(0)) for start in starts)])


def _later(made: Iterator[Packet[Any]], delay: Fraction, fps: Fraction) -> Iterator[Packet[Any]]:
    """The packets of the pictures, timed in frames, `delay` seconds later."""
    scale = math.lcm(fps.numerator, delay.denominator)
    if scale >= _MOST_TICKS:
        scale = fps.numerator * 1000
    shift, period = round(delay * scale), scale / fps
    for packet in made:
        assert packet.pts is not None
        assert packet.dts is not None
        packet.pts, packet.dts = (
            int(packet.pts * period) + shift,
            int(packet.dts * period) + shift,
        )
        packet.duration, packet.time_base = int(period), Fraction(1, scale)
        yield packet


def _copied(
    container: OutputContainer,
    original: InputContainer,
    tracks: Sequence[AudioStream | SubtitleStream],
    begin: Fraction,
) -> Iterator[Packet[Any]]:
    """The packets of the tracks, `begin` seconds earlier. Adds the tracks at once."""
    streams = {}
    for track in tracks:
        streams[track.index] = container.add_stream_from_template(track)
        streams[track.index].metadata.update(track.metadata)

    def packets() -> Iterator[Packet[Any]]:
        for packet in original.demux(*tracks) if tracks else ():
            if not packet.size:
                continue
            time = packet.dts if packet.pts is None else packet.pts
            if time is None or packet.time_base is None:
                raise InputError(
                    f"the sound of {original.name} does not say when it is heard",
                    hint="put it into an MP4 first, e.g. with ffmpeg -c copy",
                )
            shift = round(begin / packet.time_base)
            packet.stream = streams[packet.stream_index]
            packet.pts = packet.dts = time - shift
            yield packet

    return packets()


def verify(path: Path, source: Source, fps: Fraction, num_frames: int, encoding: Encoding) -> None:
    """Raise WorkError unless `path` holds so many pictures, each on its time, and the very packets
    of the source's sound and subtitles. The first and the last picture are decoded."""
    with open_media(path, WorkError) as container:
        track = picture_track(container, path)
        codec = track.codec_context.codec.canonical_name
        if (track.width, track.height) != source.size or codec != encoder_for(encoding).codec:
            raise _wrong(path, f"{track.width}x{track.height} {codec}")
        times = sorted(
            packet.pts * packet.time_base
            for packet in container.demux(track)
            if packet.pts is not None and packet.time_base is not None
        )
        if [time - times[0] for time in times] != [number / fps for number in range(num_frames)]:
            raise _wrong(path, f"{len(times)} pictures, not {num_frames}, or not on their times")
        for time in (times[0], times[-1]):
            assert track.time_base is not None
            container.seek(int(time / track.time_base), stream=track)
            shown = {frame.pts for frame in container.decode(track)}
            if int(time / track.time_base) not in shown:
                raise _wrong(path, f"the picture at {float(time):.3f} s cannot be decoded")
    if not _same(_tracks(path, times[0]), _tracks(source.path, source.starts)):
        raise _wrong(path, "its sound or its subtitles are not those of the source")


_Tracks = list[tuple[str, Fraction]]
"""Of each track of sound or subtitles: SHA-256 over its packets, and how many seconds after the
first picture the first one is."""


def _tracks(path: Path, picture: Fraction) -> _Tracks:
    with open_media(path, WorkError) as container:
        tracks = _kept(container)
        digests = {track.index: hashlib.sha256() for track in tracks}
        begins: dict[int, Fraction] = {}
        for packet in container.demux(*tracks) if tracks else ():
            time = packet.dts if packet.pts is None else packet.pts
            if packet.size and time is not None and packet.time_base is not None:
                digests[packet.stream_index].update(_payload(packet))
                begins.setdefault(packet.stream_index, time * packet.time_base - picture)
        return [
            (digest.hexdigest(), begins.get(index, Fraction(0)))
            for index, digest in digests.items()
        ]


def _payload(packet: Packet[Any]) -> bytes:
    """Without the header (ADTS, ISO/IEC 13818-7) that each packet of AAC has in a transport stream,
    whose content an MP4 says once."""
    data, context = bytes(packet), packet.stream.codec_context
    if context.name == "aac" and not context.extradata and data[:1] == b"\xff":
        return data[7 if data[1] & 1 else 9 :]
    return data


def _same(one: _Tracks, other: _Tracks) -> bool:
    return len(one) == len(other) and all(
        digest == wanted and abs(begin - was) <= _NEAR
        for (digest, begin), (wanted, was) in zip(one, other, strict=True)
    )


def _wrong(path: Path, what: str) -> WorkError:
    return WorkError(
        f"{path.name} did not come out right: {what}",
        hint="run the same command again: the finished parts are kept and only joined anew",
    )
