"""The one door to a media file, for sound and pictures: FFmpeg's objects come out of it, and
whatever is wrong with the file becomes one of our errors here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import av
from av.container import InputContainer
from av.stream import Stream

from soundreel.errors import InputError, SoundreelError
from soundreel.media.formats import WITHIN_ONE_FILE

_S = TypeVar("_S", bound=Stream)

BROKEN = (av.FFmpegError, OSError, ValueError, EOFError, MemoryError, NotImplementedError)
"""What PyAV raises on files that are damaged, or that it does not know."""

SOUND_HINT = "give a sound file (wav, mp3, m4a, flac, ogg, opus, wma, aiff) or a video with sound"

_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(sorted(WITHIN_ONE_FILE))}

# Tags that are not UTF-8 do no harm; from PyAV 19 on there is no other way, and no argument.
_LENIENT_TAGS: dict[str, Any] = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

_ADDRESS = re.compile(r"([a-z][a-z0-9+]+):/+(.*)", re.IGNORECASE)
"""A path has lost one of the two slashes."""

_LISTS = (b"#extm3u", b"ffconcat", b"<mpd", b"<?xml", b"v=0", b"[playlist]")
"""How text begins that names other files."""


@contextmanager
def open_media(
    path: Path, error: type[SoundreelError] = InputError, hint: str = ""
) -> Iterator[InputContainer]:
    """The opened file; what is said against it, then or later, is raised as `error` with `hint`
    (without one, with advice for somebody who gave a sound).

    Nothing but this one file is read, whatever its content says: of formats that name other files
    not even the header is read (see formats.py).
    """
    check_file(path, error, hint)
    try:
        container = av.open(url(path), options=_OPTIONS, **_LENIENT_TAGS)
    except BROKEN as err:
        raise _unreadable(path, err, error, hint) from err
    try:
        with container:
            yield container
    except (av.FFmpegError, OSError) as err:
        raise error(
            f"cannot read {path}: {reason(err)}", hint=hint or "check that it plays elsewhere"
        ) from err


def check_file(path: Path, error: type[SoundreelError] = InputError, hint: str = "") -> None:
    """Raise `error` unless `path` is a readable file with something in it. Never waits, as opening
    a pipe would."""
    try:
        if path.is_dir():
            raise error(f"{path} is a folder, not a file", hint=hint or SOUND_HINT)
        if path.exists() and not path.is_file():
            raise error(f"{path} is not a regular file", hint=hint or "save it to a file first")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as err:
        if address := _ADDRESS.match(str(path)):
            raise error(
                f"{address[1]}://{address[2]} is an address: download the sound first, then give "
                "its file"
            ) from err
        raise error(f"no such file: {path}", hint=hint or _where_else(path)) from err
    except (OSError, ValueError) as err:
        raise error(
            f"cannot read {path}: {reason(err)}", hint=hint or "check its name and its permissions"
        ) from err
    if empty:
        raise error(f"{path} is empty (0 bytes)", hint=hint or SOUND_HINT)


def url(path: Path) -> str:
    """The path as FFmpeg takes it: a name with a colon or a leading dash is not a protocol."""
    return f"file:{os.fspath(path)}"


def decodable(streams: Iterable[_S]) -> list[_S]:
    """The tracks whose codec FFmpeg knows: the others have neither size nor rate."""
    return [stream for stream in streams if getattr(stream, "codec_context", None) is not None]


def read_metadata(container: InputContainer) -> dict[str, str]:
    """The container's tags; bytes that are not UTF-8 become question marks."""
    return {_printable(key): _printable(value) for key, value in container.metadata.items()}


def reason(err: BaseException) -> str:
    """The few words of a foreign error that help a user."""
    return getattr(err, "strerror", None) or str(err) or type(err).__name__


def _unreadable(
    path: Path, err: BaseException, error: type[SoundreelError], hint: str
) -> SoundreelError:
    if _names_other_files(path):
        return error(
            f"{path} is a playlist: it names other files, which are not opened",
            hint=hint or SOUND_HINT,
        )
    return error(
        f"{path} is not a media file that can be read ({reason(err)})",
        hint=hint or "check that it plays elsewhere; it may be text or a download that broke off",
    )


def _names_other_files(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return False
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_LISTS)


def _where_else(path: Path) -> str:
    text = str(path)
    if text == "-":
        return "standard input is not read: save the sound to a file, and give its name"
    return "check the name; quote it if it contains spaces"


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
