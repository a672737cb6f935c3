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
from soundreel.audio.reading.uniform import mixed
from soundreel.events import Notice, RunControl
from soundreel.types import AudioClip

AAC_FRAME = 1024
"""Samples in one AAC-LC frame (ISO/IEC 14496-3)."""

_RATES = sorted(
    (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
)
_BY_COUNT = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Where so many channels are put if the file does not say where they stand."""

_AAC_LAYOUTS = frozenset(
    {"mono", "stereo", "2.1", "3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1", "7.1"}
)
"""What comes out of an AAC track under its own name, each channel in its place (measured)."""

_HOLDS = {"quad(side)": "quad", "5.0(side)": "5.0", "3.1": "5.1", "5.1(side)": "5.1"}
"""Where each speaker of a layout has one of its own; all others go into 7.1."""

_BITS_PER_CHANNEL = 96_000


def aac_rate(rate: int) -> int:
    """The sample rate in the file: the sound's own where AAC has it, else the next higher one."""
    return next((known for known in _RATES if known >= rate), _RATES[-1])


def aac_layout(clip: AudioClip) -> str:
    """The layout in the file: the sound's own where AAC has it, else one that holds it. More than
    eight channels of which nobody says where they stand are mixed down to one."""
    if not _is_placed(clip):
        return _BY_COUNT.get(clip.channels, "mono")
    return clip.layout if clip.layout in _AAC_LAYOUTS else _HOLDS.get(clip.layout, "7.1")


def _is_placed(clip: AudioClip) -> bool:
    """Whether the file says where its channels stand ("5.1", not "6 channels")."""
    return bool(clip.layout) and "channels" not in clip.layout


def add_stream(container: OutputContainer, clip: AudioClip) -> AudioStream:
    rate = aac_rate(clip.rate)
    stream = container.add_stream("aac", rate=rate, layout=aac_layout(clip))
    # 4 bits a sample: AAC has room for at most 6 (6144 bits a channel and frame).
    stream.bit_rate = stream.channels * min(_BITS_PER_CHANNEL, 4 * rate)
    return stream


def packets(
    stream: AudioStream, clip: AudioClip, control: RunControl
) -> Iterator[Packet[AudioStream]]:
    """The encoded sound of the clip. Sample 0 has pts 0; the encoder's priming lies before it."""
    rate, layout, position = aac_rate(clip.rate), aac_layout(clip), 0
    placed = _is_placed(clip) and clip.layout != layout
    _say_changes(clip, rate, layout, control)
    blocks = segment.stream_clip(
        clip,
        rate=rate,
        mono=layout == "mono" and not placed,
        control=control,
        remark=lambda text: control.emit(Notice(text)),
    )
    for block in blocks:
        if not block.size:
            continue  # FFmpeg takes no frame without samples
        channels = mixed(block, clip.layout, layout) if placed else block
        packed = np.ascontiguousarray(channels.T, dtype=np.float32).reshape(1, -1)
        # Not planar: PyAV 17 to 19 cannot make a planar frame of eight channels.
        frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, position, Fraction(1, rate)
        position += block.shape[1]
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _say_changes(clip: AudioClip, rate: int, layout: str, control: RunControl) -> None:
    if rate != clip.rate:
        control.emit(Notice(f"AAC has no rate of {clip.rate} Hz: the sound is stored at {rate} Hz"))
    if _is_placed(clip) and layout != clip.layout:
        control.emit(Notice(f"AAC cannot hold {clip.layout} sound: it is stored as {layout}"))
    if not _is_placed(clip) and clip.channels not in _BY_COUNT:
        control.emit(Notice(f"AAC here takes 8 channels at most: {clip.channels} are mixed to 1"))
