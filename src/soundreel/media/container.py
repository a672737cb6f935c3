"""Opening a sound file with PyAV: whatever is wrong with the file becomes an InputError here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from soundreel.errors import InputError

BROKEN = (av.FFmpegError, OSError, ValueError, EOFError, MemoryError, NotImplementedError)
"""What PyAV raises on files that are damaged, or that it does not know."""

LENIENT_TAGS: dict[str, Any] = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.partition(".")[0]) < 19 else {}
)
"""For `av.open`: tags that are not UTF-8 do no harm. From PyAV 19 on that is the only way, and the
argument is gone."""

_HINT = "give a sound file (wav, mp3, m4a, flac, ogg, opus, wma, aiff) or a video with sound"
_PLAYLISTS = frozenset({"hls", "concat", "dash", "imf", "sdp"})


def check_file(path: Path) -> None:
    """Raise InputError unless `path` is a readable file with something in it."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a sound file", hint=_HINT)
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a regular file", hint=_HINT)
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as err:
        raise InputError(
            f"no such file: {path}", hint="check the name; quote it if it contains spaces"
        ) from err
    except (OSError, ValueError) as err:
        raise InputError(
            f"cannot read {path}: {reason(err)}", hint="check its name and its permissions"
        ) from err
    if empty:
        raise InputError(f"{path} is empty (0 bytes)", hint=_HINT)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """The opened file. Nothing but this one file is read, whatever its content says."""
    check_file(path)
    try:
        container = av.open(
            f"file:{os.fspath(path)}",
            options={"protocol_whitelist": "file"},
            **LENIENT_TAGS,
        )
    except BROKEN as err:
        raise InputError(
            f"{path} is not a sound file that can be read ({reason(err)})",
            hint="check that it plays elsewhere; it may be text or a download that broke off",
        ) from err
    with container:
        if container.format.name in _PLAYLISTS:
            raise InputError(f"{path} is a playlist, not a sound file", hint=_HINT)
        yield container


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
    raise InputError(f"{path} {kind}", hint=_HINT)


def reason(err: BaseException) -> str:
    """The few words of a foreign error that help a user."""
    return getattr(err, "strerror", None) or str(err) or type(err).__name__
