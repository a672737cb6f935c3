"""Which of a file's tracks is its sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer

from soundreel.errors import InputError
from soundreel.media.container import SOUND_HINT, open_media
from soundreel.safe.text import shown


@dataclass(frozen=True, slots=True)
class Track:
    """One of a file's sound tracks. number: from 1, for `sound_stream`; chosen: without a number
    it is this one."""

    number: int
    codec: str
    rate: int
    layout: str
    language: str
    title: str
    chosen: bool

    @property
    def description(self) -> str:
        facts = (self.codec, f"{self.rate} Hz" if self.rate else "", self.layout, self.language)
        said = ", ".join(filter(None, (*facts, self.title)))
        return f"track {self.number}: {said}{' (taken by itself)' if self.chosen else ''}"


def list_tracks(path: Path) -> list[Track]:
    """All sound tracks. Raises InputError where the file cannot be opened."""
    with open_media(path) as container:
        best = container.streams.best("audio")
        return [
            _describe(number, stream, chosen=best is not None and stream.index == best.index)
            for number, stream in enumerate(container.streams.audio, 1)
        ]


def _describe(number: int, stream: AudioStream, *, chosen: bool) -> Track:
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    language = shown(tags.get("language", ""))
    title = shown(tags.get("title", "") or tags.get("handler_name", ""))
    if getattr(stream, "codec_context", None) is None:
        return Track(number, "unknown codec", 0, "", language, title, chosen)
    codec, layout = stream.codec_context.name, stream.layout.name
    return Track(number, codec, stream.rate, layout, language, title, chosen)


def sound_stream(container: InputContainer, path: Path, track: int | None = None) -> AudioStream:
    """Sound track number `track`, from 1; without a number the one that a player would choose.
    Raises InputError where there is none."""
    if track is not None:
        return _numbered(container, path, track)
    stream = container.streams.best("audio")
    if isinstance(stream, AudioStream):
        return _known(stream, path)
    if not container.streams.video:
        raise InputError(f"{path} has no sound", hint=SOUND_HINT)
    raise InputError(
        f"{path} is a picture or a video without sound",
        hint=f"{SOUND_HINT}; a picture begins to move with: soundreel image-to-video",
    )


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
