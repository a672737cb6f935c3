"""What is said of a job before and after it, and of what there is to run it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from soundreel.types.plan import Plan


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost. None is unknown. `source` says where the figures come from, e.g.
    "measured here", "predicted", "reported by others". likely_seconds: from, to; then `seconds` is
    the least that it can take. work_bytes, video_bytes: on the disk, about; of every engine."""

    seconds: float | None = None
    memory_bytes: int | None = None
    source: str = ""
    details: tuple[tuple[str, str], ...] = ()
    likely_seconds: tuple[float, float] | None = None
    work_bytes: int | None = None
    video_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `soundreel doctor`: what was looked at, whether it is there, and the mend.
    optional: nothing is wrong without it."""

    name: str
    ok: bool
    found: str
    hint: str = ""
    optional: bool = False

    @property
    def serves(self) -> bool:
        """Whether the engine can run as far as this goes."""
        return self.ok or self.optional


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job: the video, its sidecar, and what it took (seconds of wall time by stage).
    thumbnail: the picture beside it, where one was asked for. check: what the proof says of it (see
    `proof.check`), as the sidecar has it, where that was asked for."""

    path: Path
    sidecar: Path
    plan: Plan
    timings: Mapping[str, float]
    resumed_chunks: int = 0
    thumbnail: Path | None = None
    check: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A video at its new rate, and its sidecar. timings: seconds by stage. resumed_pieces: of
    `pieces`, those that an earlier run made."""

    path: Path
    sidecar: Path
    method: str
    fps: Fraction
    frames: int
    cuts: int
    pieces: int
    resumed_pieces: int
    timings: Mapping[str, float]
