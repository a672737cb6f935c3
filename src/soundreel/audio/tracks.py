"""Which of a file's tracks is its sound."""

from __future__ import annotations

from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer

from soundreel.errors import InputError
from soundreel.media.container import SOUND_HINT


def sound_stream(container: InputContainer, path: Path) -> AudioStream:
    """The sound track that a player would choose. Raises InputError where there is none."""
    stream = container.streams.best("audio")
    if isinstance(stream, AudioStream):
        if getattr(stream, "codec_context", None) is not None:
            return stream
        raise InputError(
            f"{path}: the codec of its sound is unknown", hint="convert it, for instance to flac"
        )
    kind = "is a picture or a video without sound" if container.streams.video else "has no sound"
    raise InputError(f"{path} {kind}", hint=SOUND_HINT)
