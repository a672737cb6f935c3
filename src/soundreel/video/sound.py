"""The clip's sound, encoded: exact to the sample, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from soundreel.audio import segment
from soundreel.audio.loudness import amplify, describe_loudness, measure
from soundreel.audio.reading.frames import Samples
from soundreel.audio.reading.uniform import mixed
from soundreel.events import Notice, RunControl
from soundreel.types import AudioClip, Encoding, Loudness
from soundreel.video.containers import container_of
from soundreel.video.sound_format import SoundFormat, is_placed, stored_as

_SAMPLE_FORMATS = {("flac", 16): "s16", ("flac", 24): "s32", ("alac", 16): "s16p",
                   ("alac", 24): "s32p"}  # fmt: skip
"""FFmpeg's encoders take 24 bits as the upper ones of 32."""


def add_stream(container: OutputContainer, form: SoundFormat) -> AudioStream:
    stream = container.add_stream(form.codec, rate=form.rate, layout=form.layout)
    assert isinstance(stream, AudioStream)
    if form.bits:
        stream.codec_context.format = _SAMPLE_FORMATS[form.codec, form.bits]
    else:
        stream.bit_rate = form.bit_rate
    return stream


def packets(
    stream: AudioStream, clip: AudioClip, form: SoundFormat, control: RunControl
) -> Iterator[Packet[AudioStream]]:
    """The encoded sound of the clip. Sample 0 has pts 0; an encoder's priming lies before it."""
    position, rounded = 0, clip.loudness is not None
    _say_changes(clip, form, control)
    for block in _stored(clip, form, control, lambda text: control.emit(Notice(text))):
        if not block.size:
            continue  # FFmpeg takes no frame without samples
        channels = amplify(block, clip.loudness)
        frame = _whole_frame(channels, form) if form.bits else _float_frame(channels, form)
        frame.sample_rate, frame.pts, frame.time_base = form.rate, position, Fraction(1, form.rate)
        position += block.shape[1]
        if form.bits and not rounded and not _fits(block, form.bits):
            rounded = True
            control.emit(Notice(f"the sound is finer than {form.bits} bits: it is rounded to them"))
        yield from stream.encode(frame)
    yield from stream.encode(None)


def measure_loudness(clip: AudioClip, encoding: Encoding, control: RunControl) -> Loudness | None:
    """Of the clip's sound as it will be stored. None where none is asked for, or to be had."""
    if encoding.loudness is None or container_of(encoding).silent:
        return None
    form = stored_as(clip, encoding)
    if form is None:
        return None
    with control.stage("loudness"):
        blocks = _stored(clip, form, control)
        found = measure(blocks, form.rate, form.layout, encoding.loudness)
    control.emit(Notice(describe_loudness(found)))
    return found


def _stored(
    clip: AudioClip,
    form: SoundFormat,
    control: RunControl,
    remark: Callable[[str], None] | None = None,
) -> Iterator[Samples]:
    """The clip's sound at the rate and in the layout of the file, as loud as the source is."""
    placed = is_placed(clip) and clip.layout != form.layout
    mono = form.layout == "mono" and not placed
    for block in segment.stream_clip(
        clip, rate=form.rate, mono=mono, control=control, remark=remark
    ):
        yield mixed(block, clip.layout, form.layout) if placed and not form.bits else block


def whole_numbers(block: Samples, bits: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """The samples as whole numbers of so many bits, the nearest ones."""
    full = 1 << (bits - 1)
    scaled = np.rint(block.astype(np.float64) * full)
    return np.asarray(np.clip(scaled, -full, full - 1), np.int32)


def _fits(block: Samples, bits: int) -> bool:
    full = 1 << (bits - 1)
    return bool((whole_numbers(block, bits) == block.astype(np.float64) * full).all())


def _float_frame(block: Samples, form: SoundFormat) -> AudioFrame:
    # Not planar: PyAV 17 to 19 cannot make a planar frame of eight channels.
    packed = np.ascontiguousarray(block.T, dtype=np.float32).reshape(1, -1)
    return av.AudioFrame.from_ndarray(packed, "flt", form.layout)


def _whole_frame(block: Samples, form: SoundFormat) -> AudioFrame:
    numbers = np.ascontiguousarray(whole_numbers(block, form.bits).T).reshape(1, -1)
    if form.bits == 16:
        return av.AudioFrame.from_ndarray(numbers.astype(np.int16), "s16", form.layout)
    return av.AudioFrame.from_ndarray(numbers << 8, "s32", form.layout)


def _say_changes(clip: AudioClip, form: SoundFormat, control: RunControl) -> None:
    name = "Opus" if form.codec == "libopus" else form.codec.upper()
    if form.rate != clip.rate:
        control.emit(
            Notice(f"{name} has no rate of {clip.rate} Hz: the sound is stored at {form.rate} Hz")
        )
    if is_placed(clip) and form.layout != clip.layout:
        control.emit(
            Notice(f"{name} cannot hold {clip.layout} sound: it is stored as {form.layout}")
        )
    if form.codec == "aac" and form.layout == "mono" and clip.channels > 1:
        control.emit(Notice(f"AAC here takes 8 channels at most: {clip.channels} are mixed to 1"))
    if form.codec == "libopus" and form.layout == "mono" and clip.channels > 1:
        control.emit(Notice(f"Opus here has no {clip.channels} channels: they are mixed to 1"))
