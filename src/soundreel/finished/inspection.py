"""What a file holds: its sound, its picture, and what soundreel wrote into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from soundreel.audio.load import AudioInfo
from soundreel.audio.load import probe as probe_sound
from soundreel.audio.reading.tracks import Track, list_tracks
from soundreel.errors import InputError, SoundreelError
from soundreel.options.given import AnyPath
from soundreel.options.table import read_field
from soundreel.record import TAG, read_record
from soundreel.video.reader import VideoInfo, probe_video, read_tags

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A sound or a video. sound, picture: None where it has none that can be used. tracks: all
    sound tracks. record: what soundreel wrote; None in a file of others, and where the record
    cannot be read, which `problem` then says."""

    path: Path
    sound: AudioInfo | None
    picture: VideoInfo | None
    tracks: tuple[Track, ...] = ()
    record: Mapping[str, object] | None = None
    problem: str = ""


def probe(file: AnyPath) -> FileFacts:
    """Look at a file. Raises InputError where it holds neither sound nor pictures. (Of an animated
    WebP FFmpeg before 8.2 shows no picture: its record speaks for it.)"""
    path = read_field("audio", file)
    assert isinstance(path, Path)
    failures: list[SoundreelError] = []
    sound = _tried(probe_sound, path, failures)
    picture = _tried(probe_video, path, failures)
    record, problem = _record(path)
    if sound is None and picture is None and record is None:
        raise failures[0]
    tracks = () if sound is None else tuple(list_tracks(path))
    return FileFacts(path, sound, picture, tracks, record, problem)


def _tried(look: Callable[[Path], _T], path: Path, failures: list[SoundreelError]) -> _T | None:
    try:
        return look(path)
    except SoundreelError as err:
        failures.append(err)
        return None


def _record(path: Path) -> tuple[Mapping[str, object] | None, str]:
    try:
        text = read_tags(path).get(TAG)
    except SoundreelError:
        return None, ""
    try:
        return (None if text is None else read_record(text, path)), ""
    except InputError as err:
        return None, err.message
