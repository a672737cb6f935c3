"""How fast this machine's card samples: kept from finished jobs, for the plan of the next one.

A small file of JSON in the work folder, the newest entry last. It holds a card's name, how the job
ran and its rate: nothing of what was made.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundreel.events import Notice, RunControl

FILE_NAME = "wan-rates.json"
KEPT = 50
"""Entries at most."""

_MOST_BYTES = 64 * 1024

_Name = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, slots=True)
class Rate:
    """One job.

    device: as the driver names it. ways: what of the way that it ran changes speed, by the names of
    the options ("offload", "attention"); those that ran the plain way are not named. tflops: 10^12
    operations of the transformer a second, everything between two sampling steps included.
    computed: share of the planned passes that were computed; a step cache answered the rest.
    """

    device: str
    ways: Mapping[str, str]
    tflops: float
    computed: float = 1.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the sampling of a part of `frames` generated pictures took; passes: of a transformer,
    that were computed."""

    frames: int
    passes: int
    seconds: float


def rate_of(
    sampled: Sequence[Sampled],
    *,
    frames: int,
    passes: int,
    flops: float,
    device: str,
    ways: Mapping[str, str],
) -> Rate | None:
    """Of the parts of so many pictures; None where this run made none of them. passes: planned for
    one; flops: of a pass; device, ways: see `Rate`."""
    made = [each for each in sampled if each.frames == frames]
    computed, seconds = sum(each.passes for each in made), sum(each.seconds for each in made)
    if not seconds:
        return None
    return Rate(device, ways, flops * computed / seconds / 1e12, computed / (passes * len(made)))


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


def keep_or_say(path: Path, rate: Rate | None, control: RunControl) -> None:
    """As `keep_rate`, if there is one; where that fails, it is said."""
    try:
        if rate is not None:
            keep_rate(path, rate)
    except OSError as err:
        control.emit(Notice(f"the rate of this job could not be kept in {path}: {err.strerror}"))


_LITTLE = ("offload", "compile", "matmul")
"""Ways that change least: copies hide behind computing, and compiling gains some percent, as 8-bit
products may. A plan does not know yet whether a job will have them."""


def rates_of(rates: Sequence[Rate], device: str, ways: Mapping[str, str]) -> list[Rate]:
    """Of jobs on that card which ran in the same way, else in one that differs by little."""
    own = [rate for rate in rates if rate.device == device]
    same = [rate for rate in own if rate.ways == ways]
    return same or [rate for rate in own if _main(rate.ways) == _main(ways)]


def _main(ways: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in ways.items() if name not in _LITTLE}


class _Entry(BaseModel):
    """An entry of the file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    device: _Name
    ways: Annotated[dict[_Name, _Name], Field(max_length=20)]
    tflops: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    computed: Annotated[float, Field(gt=0, le=1)]


def _rate(entry: object) -> Rate | None:
    try:
        return Rate(**_Entry.model_validate(entry).model_dump())
    except ValidationError:
        return None
