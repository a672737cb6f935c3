"""How long the networks took on this machine, kept from job to job: a small file in the work
folder, of which nothing says what was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from soundreel.errors import WorkError
from soundreel.work.files import read_regular, write_atomic

FILE_NAME = "network-pace.json"

_MOST_BYTES = 64 * 1024
_MOST_SECONDS = 1e6


def keep_pace(work_dir: Path, method: str, device: str, seconds: float) -> None:
    """seconds: for a megapixel. Where it cannot be kept, the next plan does without."""
    with suppress(WorkError):
        text = json.dumps({**kept_paces(work_dir), pace_name(method, device): seconds})
        write_atomic(work_dir / FILE_NAME, text.encode())


def pace_name(method: str, device: str) -> str:
    return f"{method} on {device}"


def kept_paces(work_dir: Path) -> Mapping[str, float]:
    """Seconds for a megapixel, by `pace_name`; none where there is no such file."""
    try:
        found = json.loads(read_regular(work_dir / FILE_NAME, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {
        name: float(seconds)
        for name, seconds in entries
        if isinstance(seconds, (int, float)) and 0 < seconds < _MOST_SECONDS
    }
