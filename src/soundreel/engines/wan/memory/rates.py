"""How fast this machine's card samples: kept from finished jobs, for the plan of the next one.

A small file of JSON in the work folder, the newest entry last. It holds a card's name, an offload
level and a rate: nothing of what was made.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "wan-rates.json"
KEPT = 50
"""Entries at most."""

_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rate:
    """One job. device: as the driver names it; tflops: 10^12 operations of the transformer a
    second, everything between two sampling steps included."""

    device: str
    level: str
    tflops: float


def read_rates(path: Path) -> tuple[Rate, ...]:
    """Those in the file, the oldest first; none where it is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return ()
    entries = found if isinstance(found, list) else []
    return tuple(rate for rate in map(_rate, entries[-KEPT:]) if rate is not None)


def keep_rate(path: Path, rate: Rate) -> None:
    """Add one and let the oldest go. Raises OSError."""
    rates = [*read_rates(path), rate][-KEPT:]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([asdict(each) for each in rates], file, indent=1)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def rates_of(rates: Sequence[Rate], device: str, level: str) -> list[float]:
    """tflops of that card, rising: at that level, else at any."""
    own = [rate for rate in rates if rate.device == device]
    same = [rate for rate in own if rate.level == level]
    return sorted(rate.tflops for rate in same or own)


def _rate(entry: object) -> Rate | None:
    match entry:
        case {"device": str(device), "level": str(level), "tflops": float(tflops)}:
            fits = math.isfinite(tflops) and tflops > 0 and len(device) <= 200
            return Rate(device, level, tflops) if fits else None
    return None
