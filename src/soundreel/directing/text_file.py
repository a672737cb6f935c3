"""A text file that directs: a list of shots, of turns, of prompts."""

from __future__ import annotations

from pathlib import Path

from soundreel.errors import InputError
from soundreel.media.container import check_file, reason


def read_text(path: Path, what: str, most_bytes: int, hint: str) -> str:
    """The text of a file that holds `what`. Raises InputError where it is none, or too large."""
    check_file(path, hint=hint)
    try:
        if path.stat().st_size > most_bytes:
            raise InputError(f"{path} is too large for {what}", hint=hint)
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"cannot read {path}: {reason(err)}", hint=hint) from err
