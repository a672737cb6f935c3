"""Reads a finished file back and compares it with what was to be made."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from soundreel.errors import WorkError
from soundreel.media.container import decodable, open_media
from soundreel.timeline.grid import frame_time, nearest_tick
from soundreel.types import Encoding
from soundreel.video.animated import check as animated
from soundreel.video.containers import container_of
from soundreel.video.encoders import encoder_for
from soundreel.video.reader import decoded, is_clear
from soundreel.video.sound_format import AAC_FRAME

_HINT = "run the same command again: the finished parts are kept and only joined anew"


def verify(
    path: Path,
    num_frames: int,
    fps: Fraction,
    width: int,
    height: int,
    duration: Fraction | None,
    encoding: Encoding = Encoding(),  # noqa: B008  (frozen)
) -> None:
    """Raise WorkError unless `path` holds exactly these pictures, picture i at i/fps or on the tick
    of its container next to that, and sound from 0 to `duration`, AAC to a frame, all else to a
    sample, or none where that is None, both stored as `encoding` says. Every packet is read; the
    first and the last picture are decoded."""
    if container_of(encoding).silent:
        if fault := animated.fault(path, num_frames, fps, width, height):
            raise _wrong(path, fault)
        return
    with open_media(path, WorkError, _HINT) as container:
        pictures = decodable(container.streams.video)
        sounds = decodable(container.streams.audio)
        if not pictures or bool(sounds) != (duration is not None):
            raise _wrong(path, "a picture or a sound track is missing, or one too many is there")
        video = pictures[0]
        if (video.width, video.height) != (width, height):
            raise _wrong(path, f"size {video.width}x{video.height}, not {width}x{height}")
        stored = encoder_for(encoding).codec
        if (codec := video.codec_context.codec.canonical_name) != stored:
            raise _wrong(path, f"{codec} pictures, not {stored}")
        tick = container_of(encoding).tick
        sound_end = _check_packets(path, container, video, sounds[:1], num_frames, fps, tick)
        if duration is not None and container_of(encoding).name == "webm":
            _check_opus(path, duration)
        elif duration is not None:
            _check_sound(path, sounds[0], sound_end, duration, encoding.audio_codec)
        last = _shown_at(num_frames - 1, fps, tick)
        _check_pictures(path, container, video, last, encoding.alpha)


def _check_packets(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    sounds: Sequence[AudioStream],
    num_frames: int,
    fps: Fraction,
    tick: Fraction,
) -> Fraction:
    """Each picture once, on its time; returns the second at which the stored sound ends."""
    seen = np.zeros(num_frames, dtype=bool)
    sound_end = Fraction(0)
    for packet in container.demux(video, *sounds):
        if packet.pts is None or packet.time_base is None:
            continue  # FFmpeg's flush at the end
        if packet.stream_index != video.index:
            sound_end = (packet.pts + (packet.duration or 0)) * packet.time_base
            continue
        time = packet.pts * packet.time_base
        frame = round(time * fps)
        if time != _shown_at(frame, fps, tick) or not 0 <= frame < num_frames or seen[frame]:
            raise _wrong(path, f"a picture at frame {time * fps} of {num_frames}")
        seen[frame] = True
    if not seen.all():
        raise _wrong(path, f"{int(seen.sum())} pictures, not {num_frames}")
    return sound_end


def _shown_at(frame: int, fps: Fraction, tick: Fraction) -> Fraction:
    exact = frame_time(frame, fps)
    return nearest_tick(exact, tick) * tick if tick else exact


def _check_opus(path: Path, duration: Fraction) -> None:
    """WebM says no exact length of its sound: what decodes is counted."""
    with open_media(path, WorkError, _HINT) as container:
        audio = decodable(container.streams.audio)[0]
        if (codec := audio.codec_context.codec.canonical_name) != "opus":
            raise _wrong(path, f"{codec} sound, not opus")
        count = sum(frame.samples for frame in container.decode(audio))
        if abs(count - duration * audio.rate) > 1:
            raise _wrong(path, f"{count} samples of sound, not {float(duration * audio.rate):.1f}")


def _check_sound(
    path: Path, audio: AudioStream, stored: Fraction, duration: Fraction, codec: str
) -> None:
    if codec not in ("copy", audio.codec_context.name):
        raise _wrong(path, f"{audio.codec_context.name} sound, not {codec}")
    if audio.duration is None or audio.time_base is None:
        raise _wrong(path, "a sound track without length")
    if audio.start_time:
        raise _wrong(path, f"the sound starts at {float(audio.start_time * audio.time_base)} s")
    most = Fraction(AAC_FRAME if codec == "aac" else 1, audio.rate)
    for length in (audio.duration * audio.time_base, stored):
        if abs(length - duration) > most:
            raise _wrong(path, f"{float(length):.4f} s of sound, not {float(duration):.4f}")


def _check_pictures(
    path: Path, container: InputContainer, stream: VideoStream, last: Fraction, alpha: bool
) -> None:
    container.seek(0, stream=stream)
    first = next(decoded(container, stream), None)
    if first is None or first.pts != 0:
        raise _wrong(path, "the first picture cannot be decoded")
    if is_clear(first) != alpha:
        raise _wrong(path, f"its pictures have {'no ' if alpha else ''}alpha")
    assert stream.time_base is not None
    container.seek(int(last / stream.time_base), stream=stream)
    shown = [frame.pts for frame in decoded(container, stream) if frame.pts is not None]
    if not shown or shown[-1] * stream.time_base != last:
        raise _wrong(path, "the last picture cannot be decoded")


def _wrong(path: Path, what: str) -> WorkError:
    return WorkError(f"{path.name} did not come out right: {what}", hint=_HINT)
