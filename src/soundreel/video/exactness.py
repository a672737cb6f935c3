"""Whether copied sound is the source's, to the sample: tried before the long work, and at its end.

What decides is what decodes: the copy's samples against those of the source's stretch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

import av
import numpy as np

from soundreel.audio import segment
from soundreel.audio.reading.frames import Samples
from soundreel.audio.reading.tracks import sound_stream
from soundreel.errors import InputError, WorkError, mention
from soundreel.events import RunControl
from soundreel.media.container import open_media, url
from soundreel.timeline.grid import samples_between
from soundreel.types import AudioClip
from soundreel.video import copying
from soundreel.video.mux import mp4_options
from soundreel.video.sound_format import AAC_FRAME
from soundreel.video.storage import writing

_BLOCK = 1 << 16


def require_copyable(clip: AudioClip, fps: Fraction, control: RunControl) -> None:
    """Raise InputError unless a copy of the clip's sound plays exactly as the source does, for as
    long as the pictures at `fps` last. A copy is made and decoded: a few seconds for an hour."""
    _require_no_silence(clip, fps)
    with (
        writing(Path("a temporary file")),
        tempfile.TemporaryDirectory(prefix="soundreel-") as folder,
    ):
        trial = Path(folder) / "copy.mp4"
        _write(trial, clip, fps, control)
        fault = _fault(trial, clip, control)
    if fault:
        raise copying.refusal(fault)


def verify_copy(path: Path, clip: AudioClip, control: RunControl) -> None:
    """Raise WorkError unless the finished file's sound decodes to the clip's, sample for sample."""
    if fault := _fault(path, clip, control):
        raise WorkError(
            f"{path.name} did not come out right: {fault}",
            hint=f"use {mention(audio_codec='flac')} or {mention(audio_codec='aac')}",
        )


def _require_no_silence(clip: AudioClip, fps: Fraction) -> None:
    missing = clip.duration - clip.sound_duration
    if samples_between(clip.sound_end, clip.sound_end + missing, clip.rate) > 0:
        whole = int(clip.sound_duration * fps)
        raise copying.refusal(
            f"the sound ends {float(missing):.4f} s before the last picture does, and silence "
            "cannot be added to a copy",
            hint=f"end with the sound: {whole} whole pictures at {fps} a second fit into it; or "
            "choose flac, alac or aac",
        )


def _write(path: Path, clip: AudioClip, fps: Fraction, control: RunControl) -> None:
    with av.open(url(path), "w", format="mp4", options=mp4_options(fps, clip.rate)) as container:
        stream = copying.add_stream(container, clip)
        for packet in copying.packets(stream, clip, control):
            container.mux(packet)


def _fault(copy: Path, clip: AudioClip, control: RunControl) -> str:
    """How the copy differs from the source's sound, in words; "" if it does not."""
    try:
        count = samples_between(clip.start, clip.start + clip.duration, clip.rate)
        wanted = segment.stream_clip(clip, control=control)
        got = segment.stream(copy, Fraction(0), Fraction(count, clip.rate), control=control)
        for one, other in zip_longest(_even(wanted), _even(got)):
            if one is None or other is None or not np.array_equal(one, other):
                return _other_samples(clip)
        beyond = _played(copy, control) - count
    except InputError as err:
        return f"the copy cannot be decoded ({err.message})"
    if beyond:
        return f"the source's packets play {beyond} samples beyond the last picture"
    return ""


def _other_samples(clip: AudioClip) -> str:
    where = " (from the beginning of the file they may)" if clip.start else ""
    return f"cut there, the source's packets do not decode to the source's samples{where}"


def _played(path: Path, control: RunControl) -> int:
    """Samples that a player plays which does not cut the last packet; of AAC players cut it, or
    play less than a frame more, as they do where it was encoded here."""
    count = 0
    with open_media(path) as container:
        track = sound_stream(container, path)
        for frame in container.decode(track):
            control.raise_if_cancelled()
            count += frame.samples
        if track.codec_context.name == "aac" and track.duration is not None:
            return track.duration if 0 <= count - track.duration < AAC_FRAME else count
    return count


def _even(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The same sound in blocks of one length."""
    held: list[Samples] = []
    for block in blocks:
        held.append(block)
        if sum(one.shape[1] for one in held) < _BLOCK:
            continue
        whole = np.concatenate(held, axis=1)
        end = whole.shape[1] // _BLOCK * _BLOCK
        yield from (whole[:, at : at + _BLOCK] for at in range(0, end, _BLOCK))
        held = [whole[:, end:]]
    rest = np.concatenate(held, axis=1) if held else np.zeros((1, 0), np.float32)
    if rest.size:
        yield rest
