"""Which of a file's tracks is its sound."""

from __future__ import annotations

from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer

from soundreel.errors import InputError
from soundreel.media.container import SOUND_HINT


def sound_stream(container: InputContainer, path: Path, track: int | None = None) -> AudioStream:
    """Sound track number `track`, from 1; without a number the one that a player would choose.
    Raises InputError where there is none."""
    if track is not None:
        return _numbered(container, path, track)
    stream = container.streams.best("audio")
    if isinstance(stream, AudioStream):
        return _known(stream, path)
    kind = "is a picture or a video without sound" if container.streams.video else "has no sound"
    raise InputError(f"{path} {kind}", hint=SOUND_HINT)


def _numbered(container: InputContainer, path: Path, track: int) -> AudioStream:
    tracks = list(container.streams.audio)
    if not 1 <= track <= len(tracks):
        count = f"{len(tracks)} sound tracks" if len(tracks) != 1 else "one sound track"
        raise InputError(
            f"{path} has no sound track {track}: it has {count}",
            hint="soundreel probe lists the tracks",
        )
    return _known(tracks[track - 1], path)


def _known(stream: AudioStream, path: Path) -> AudioStream:
    if getattr(stream, "codec_context", None) is None:
        raise InputError(
            f"{path}: the codec of its sound is unknown",
            hint="convert it, for instance to flac; a bought, encrypted file (m4p) cannot be used",
        )
    return stream
