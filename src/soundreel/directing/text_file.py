"""A text file that a person wrote or saved: a list of shots, of turns, of prompts, lyrics."""

from __future__ import annotations

import codecs
from pathlib import Path

from soundreel.errors import InputError
from soundreel.media.container import check_file, reason

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""How a file begins that says its encoding."""

_AS_UTF8 = "save it as UTF-8 in a text editor; or: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"

_OTHERS = (
    (0, b"PK\3\4", "a ZIP archive, as .docx and .odt are"),
    (0, b"%PDF-", "a PDF"),
    (0, b"{\\rtf", "rich text (RTF)"),
    (8, b"WAVEfmt ", "a sound (WAV)"),
    (0, b"ID3\3", "a sound (MP3)"),
    (0, b"ID3\4", "a sound (MP3)"),
    (0, b"fLaC\0", "a sound (FLAC)"),
    (0, b"OggS\0", "a sound (Ogg)"),
    (0, b"\x1aE\xdf\xa3", "a film (Matroska)"),
    (0, b"\x89PNG", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF89a", "a picture (GIF)"),
    (0, b"\x1f\x8b", "packed (gzip)"),
    (4, b"ftyp", "a film or a sound (MP4)"),
)
"""What is given for a text by mistake, by bytes at a place."""


def read_text(path: Path, what: str, most_bytes: int, hint: str) -> str:
    """The text of a file that holds `what`, in UTF-8, or in UTF-16 that says so. Raises InputError
    where it is none, or too large."""
    check_file(path, hint=hint)
    try:
        if path.stat().st_size > most_bytes:
            raise InputError(f"{path} is too large for {what}", hint=hint)
        data = path.read_bytes()
    except OSError as err:
        raise InputError(f"cannot read {path}: {reason(err)}", hint=hint) from err
    return _decoded(data, path, what, hint)


def _decoded(data: bytes, path: Path, what: str, hint: str) -> str:
    for place, begin, kind in _OTHERS:
        if data.startswith(begin, place):
            raise InputError(f"{path} is {kind}, not {what}", hint=hint)
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    encoding = _MARKS.get(mark, "utf-8")
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as err:
        line = 1 + err.object.count(b"\n", 0, err.start)
        raise InputError(
            f"cannot read {path}: the byte 0x{err.object[err.start]:02X} in line {line} is not "
            f"{encoding.upper()} text",
            hint=_AS_UTF8,
        ) from err
    if "\0" in text:
        line = 1 + text.count("\n", 0, text.index("\0"))
        raise InputError(
            f"{path} holds a zero byte in line {line}: it is no text, or UTF-16 or UTF-32 that "
            "does not say so",
            hint=f"if it is text, save it as UTF-8; else {hint}",
        )
    return text
