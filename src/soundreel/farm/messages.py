"""What a job and a process that makes units for it say to each other, as pickles: both are one
program on one machine, or on machines of one owner."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from soundreel.config import Settings
from soundreel.engines.base import Ready
from soundreel.render.sealing import Sealing
from soundreel.types import Plan
from soundreel.work.job import Job


@dataclass(frozen=True, slots=True)
class Work:
    """All that tells a process what it makes units of; it finds the engine's weights by itself, and
    they must be those of `identity`. decisions: see `engines.base.Deciding`. folder, paces, ending:
    see `render.maker.Place`. new: the pieces that are made."""

    plan: Plan
    settings: Settings
    decisions: Mapping[str, str]
    identity: Mapping[str, str]
    folder: Path
    paces: Path
    ending: str
    new: frozenset[int]

    @staticmethod
    def of(
        plan: Plan, settings: Settings, ready: Ready, job: Job, sealing: Sealing, workers: int
    ) -> Work:
        """What is to be made of a job, by so many workers, as this machine names its places."""
        return Work(
            plan=plan,
            settings=settings.model_copy(update={"workers": workers}),
            decisions=job.fact("decisions") or {},
            identity=dict(ready.identity),
            folder=job.folder,
            paces=job.folder.parent,
            ending="",
            new=sealing.new,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is fixed for the job under this name? With a value: fix it, if nothing is yet."""

    name: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """None where nothing is fixed."""

    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The task is made."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: BaseException


def send(message: object, pipe: IO[bytes]) -> None:
    """Raises OSError where nobody listens any more."""
    pipe.write(pickle.dumps(message))
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Raises EOFError where the other side has ended, perhaps in the middle of a word."""
    try:
        return pickle.load(pipe)
    except pickle.UnpicklingError as err:
        raise EOFError from err
