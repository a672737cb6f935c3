"""The clip's sound as AAC: exact to the sample, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from soundreel.audio import segment
from soundreel.events import Notice, RunControl
from soundreel.types import AudioClip

AAC_FRAME = 1024
"""Samples in one AAC-LC frame (ISO/IEC 14496-3)."""

_RATES = sorted(
    (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
)
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_BITS_PER_CHANNEL = 96_000


def aac_rate(rate: int) -> int:
    """The sample rate in the file: the sound's own where AAC has it, else the next higher one."""
    return next((known for known in _RATES if known >= rate), _RATES[-1])


def aac_channels(channels: int) -> int:
    """The channels in the file: the sound's own up to eight, more are mixed down to one."""
    return channels if channels in _LAYOUTS else 1


def add_stream(container: OutputContainer, clip: AudioClip) -> AudioStream:
    rate, channels = aac_rate(clip.rate), aac_channels(clip.channels)
    stream = container.add_stream("aac", rate=rate, layout=_LAYOUTS[channels])
    # 4 bits a sample: AAC has room for at most 6 (6144 bits a channel and frame).
    stream.bit_rate = channels * min(_BITS_PER_CHANNEL, 4 * rate)
    return stream


def packets(
    stream: AudioStream, clip: AudioClip, control: RunControl
) -> Iterator[Packet[AudioStream]]:
    """The encoded sound of the clip. Sample 0 has pts 0; the encoder's priming lies before it."""
    rate, channels = aac_rate(clip.rate), aac_channels(clip.channels)
    _say_changes(clip, rate, channels, control)
    position = 0
    for block in segment.stream_clip(clip, rate=rate, mono=channels == 1):
        if not block.size:
            continue  # FFmpeg takes no frame without samples
        packed = np.ascontiguousarray(block.T, dtype=np.float32).reshape(1, -1)
        # Not planar: PyAV 17 to 19 cannot make a planar frame of eight channels.
        frame = av.AudioFrame.from_ndarray(packed, "flt", _LAYOUTS[channels])
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        position += block.shape[1]
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _say_changes(clip: AudioClip, rate: int, channels: int, control: RunControl) -> None:
    if rate != clip.rate:
        control.emit(Notice(f"AAC has no rate of {clip.rate} Hz: the sound is stored at {rate} Hz"))
    if channels != clip.channels:
        control.emit(
            Notice(f"AAC here takes 8 channels at most: {clip.channels} are mixed to {channels}")
        )
