"""The source's own packets as the clip's sound, cut by the edit list."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from soundreel.audio.reading.tracks import sound_stream
from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.media.container import open_media
from soundreel.timeline.grid import first_sample, samples_between
from soundreel.types import AudioClip

_PREROLL = {"aac": 4096, "alac": 0, "flac": 0}
"""Samples before the first one that a decoder wants to have seen; only these codecs are copied."""

COPIED = ", ".join(name.upper() for name in _PREROLL)


def add_stream(container: OutputContainer, clip: AudioClip) -> AudioStream:
    """Raises InputError where the source's packets cannot be placed to the sample."""
    with open_media(clip.path) as source:
        track = sound_stream(source, clip.path, clip.track)
        codec = track.codec_context.name
        if codec not in _PREROLL:
            raise refusal(f"{codec.upper()} sound cannot stay as it is in an MP4, only {COPIED}")
        if track.time_base != Fraction(1, clip.rate):
            raise refusal(f"{source.format.name} does not count the times of packets in samples")
        return container.add_stream_from_template(track)


def packets(
    stream: AudioStream, clip: AudioClip, control: RunControl
) -> Iterator[Packet[AudioStream]]:
    """The source's packets with the clip's sound, those of the decoder's priming before pts 0."""
    first = first_sample(clip.start, clip.rate)
    last = first + samples_between(clip.start, clip.start + clip.duration, clip.rate)
    preroll = _PREROLL[stream.codec_context.name]
    origin = _stamp_of_sample_0(clip)
    with open_media(clip.path) as source:
        for packet in source.demux(sound_stream(source, clip.path, clip.track)):
            control.raise_if_cancelled()
            if packet.pts is None or not packet.size or not packet.duration:
                continue
            begin = packet.pts - origin
            if begin >= last:
                break
            if begin + packet.duration <= first - preroll:
                continue
            packet.stream = stream
            packet.pts = packet.dts = begin - first
            packet.duration = min(packet.duration, last - begin)
            yield packet


def refusal(rule: str, hint: str = "choose flac or alac, which lose nothing, or aac") -> InputError:
    return InputError.about({"encoding.audio_codec": "copy"}, rule, hint)


def _stamp_of_sample_0(clip: AudioClip) -> int:
    with open_media(clip.path) as source:
        frame = next(source.decode(sound_stream(source, clip.path, clip.track)), None)
        return 0 if frame is None or frame.pts is None else frame.pts
