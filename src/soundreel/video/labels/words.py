"""Title, artist and date of a sound, as its file says them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from soundreel.media.container import open_media, read_metadata
from soundreel.safe.text import harmless

LONGEST = 200
"""Characters of one of them."""

_SOURCES = {"title": ("title",), "artist": ("artist", "album_artist"), "date": ("date", "year")}


def read_words(path: Path) -> dict[str, str]:
    """Those that the file has, of its container or its sound track, on one line, bounded, without
    characters that act on a terminal. Raises InputError."""
    with open_media(path) as container:
        found = {
            key: value for track in container.streams.audio for key, value in track.metadata.items()
        }
        found |= read_metadata(container)
    said = {key.lower(): value for key, value in found.items()}
    words = {name: _first(said, keys) for name, keys in _SOURCES.items()}
    return {name: text for name, text in words.items() if text}


def _first(said: Mapping[str, str], keys: tuple[str, ...]) -> str:
    texts = (" ".join(said.get(key, "").split()) for key in keys)
    return harmless(next(filter(None, texts), "")[:LONGEST])[:LONGEST]
