"""A track of subtitles in the finished file: plain lines, in whole milliseconds."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from soundreel.errors import WorkError
from soundreel.media.container import open_media
from soundreel.types import AudioClip, Cue

TICK = Fraction(1, 1000)

# FFmpeg's encoders take the look of their text from a header in SSA. Nothing is encoded with it:
# players show such tracks in their own way.
HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Alignment
Style: Default,Arial,16,&Hffffff,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

_Shown = tuple[int, int, str]
"""Begin and length in milliseconds of the video, and the text."""


def add_stream(container: OutputContainer, codec: str) -> SubtitleStream:
    """codec: "mov_text" or "webvtt"."""
    stream = container.add_stream(codec)
    assert isinstance(stream, SubtitleStream)
    stream.codec_context.subtitle_header = HEADER
    return stream


def packets(stream: SubtitleStream, cues: Sequence[Cue], audio: AudioClip) -> Iterator[Packet[Any]]:
    is_vtt = stream.codec_context.name == "webvtt"
    for begin, length, text in _shown(cues, audio):
        data = (html.escape(text, quote=False) if is_vtt else text).encode()
        packet = Packet(data if is_vtt else len(data).to_bytes(2, "big") + data)
        packet.stream, packet.time_base = stream, TICK
        packet.pts = packet.dts = begin
        packet.duration = length
        yield packet


def _shown(cues: Sequence[Cue], audio: AudioClip) -> list[_Shown]:
    spans = [
        (round((cue.start - audio.start) / TICK), round((cue.end - audio.start) / TICK), cue.text)
        for cue in cues
    ]
    return [(begin, end - begin, text) for begin, end, text in spans if begin < end]


def verify(path: Path, cues: Sequence[Cue], audio: AudioClip) -> None:
    """Raise WorkError unless the file has a track of these very cues, and none where there are
    none."""
    with open_media(path, WorkError) as file:
        tracks = file.streams.subtitles
        found = [_read(packet) for packet in file.demux(*tracks) if packet.size] if tracks else []
    shown = [each for each in found if each[2]]  # MP4 fills what lies between with empty ones
    if len(tracks) != bool(cues) or shown != _shown(cues, audio):
        raise WorkError(
            f"{path.name} did not come out right: its subtitles are not those that were given",
            hint="run the same command again: the finished parts are kept and only joined anew",
        )


def _read(packet: Packet[Any]) -> _Shown:
    data, base = bytes(packet), packet.time_base
    assert packet.pts is not None
    assert base is not None
    is_vtt = packet.stream.codec_context.name == "webvtt"
    size = int.from_bytes(data[:2], "big")
    text = html.unescape(data.decode()) if is_vtt else data[2 : 2 + size].decode()
    return round(packet.pts * base / TICK), round((packet.duration or 0) * base / TICK), text
