"""Opening, writing and syncing media files: FFmpeg's failures become our own errors here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.stream import Stream

from soundreel.errors import SoundreelError, WorkError
from soundreel.media.container import LENIENT_TAGS
from soundreel.work.files import DISK_FULL

_S = TypeVar("_S", bound=Stream)


def url(path: Path) -> str:
    """The path as FFmpeg takes it: a name with a colon or a leading dash is not a protocol."""
    return f"file:{path}"


@contextmanager
def reading(path: Path, error: type[SoundreelError], hint: str) -> Iterator[InputContainer]:
    """The opened file; what FFmpeg says against it, then or later, is raised as `error`. Nothing
    but this one file is read, whatever its content says."""
    try:
        with av.open(
            url(path), options={"protocol_whitelist": "file"}, **LENIENT_TAGS
        ) as container:
            yield container
    except (av.FFmpegError, OSError) as err:
        raise error(f"cannot read {path}: {_reason(err)}", hint=hint) from err


def read_metadata(container: InputContainer) -> dict[str, str]:
    """The container's tags; bytes that are not UTF-8 become question marks."""
    return {_printable(key): _printable(value) for key, value in container.metadata.items()}


def decodable(streams: Iterable[_S]) -> list[_S]:
    """The tracks whose codec FFmpeg knows: the others have neither size nor rate."""
    return [stream for stream in streams if getattr(stream, "codec_context", None) is not None]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write `path` into a WorkError that says what to do."""
    try:
        yield
    except (av.FFmpegError, OSError) as err:
        raise _write_failure(path, err) from err


def discard(path: Path) -> None:
    """Remove a file cut short, if it is there; the failure that cut it short is the one to tell."""
    with suppress(OSError):
        path.unlink()


def _write_failure(path: Path, err: Exception) -> SoundreelError:
    if getattr(err, "errno", None) in DISK_FULL:
        return WorkError(
            f"no room left while writing {path}: {_reason(err)}",
            hint="free some space, then run the same command again: finished chunks are kept",
        )
    return WorkError(
        f"cannot write {path}: {_reason(err)}",
        hint="check that the folder exists and can be written, then run the same command again",
    )


def _reason(err: Exception) -> str:
    return str(getattr(err, "strerror", None) or err)


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
