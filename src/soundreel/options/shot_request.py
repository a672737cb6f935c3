"""What a request says of one shot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

from soundreel.errors import InputError
from soundreel.options.faces import Face, read_faces
from soundreel.options.table import read_engine_options, read_field
from soundreel.options.texts import read_spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What a single chunk says otherwise than its shot; None says nothing. Chunks after it keep
    what they say, and go on from its motion.

    Raises InputError naming the first value that cannot be read.
    """

    prompt: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("prompt", "seed"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _read(name, name, value))

    @property
    def said(self) -> Mapping[str, object]:
        named = {"prompt": self.prompt, "seed": self.seed}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRequest:
    """A span of the sound with pictures of its own. None takes what the request says.

    start, end: seconds in the sound file; end None is the next shot's start, or the clip's end.
    speaker: who is seen, and whose track drives it where each speaker has one.
    transition: how the shot before it gives way to this one.
    silent: seconds in the sound file that are silence to the engine, since another speaks.
    faces: where there are several in the picture, each driven by its own speaker.
    options: options of the engine that replace the request's.
    takes: by the number of a chunk in the shot, from 1: what it was made again with.
    place: where it is written, for messages.
    Raises InputError naming the first value that cannot be read.
    """

    start: Fraction
    end: Fraction | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    image: Path | None = None
    seed: int | None = None
    speaker: str | None = None
    transition: str | None = None
    silent: tuple[tuple[Fraction, Fraction], ...] = ()
    faces: tuple[Face, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    takes: Mapping[int, Take] = field(default_factory=dict)
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        kinds = {"start": "start", "end": "start", "prompt": "prompt", "image": "image"}
        kinds |= {"negative_prompt": "negative_prompt", "seed": "seed"}
        kinds |= {"speaker": "prompt", "transition": "transition"}
        for name, kind in kinds.items():
            if (value := getattr(self, name)) is not None or name == "start":
                object.__setattr__(self, name, _read(name, kind, value))
        object.__setattr__(self, "silent", _spans(self.silent))
        object.__setattr__(self, "faces", read_faces(self.faces))
        object.__setattr__(self, "options", read_engine_options(self.options))
        object.__setattr__(self, "takes", _takes(self.takes))


def read_shots(value: object) -> str | Path | tuple[ShotRequest, ...]:
    """A list of shots as it stands in Python or a record; a word or a file as it is.

    Raises InputError.
    """
    if isinstance(value, (str, Path)):
        return value
    if not isinstance(value, (list, tuple)) or not value:
        raise InputError.about({"shots": value}, "name a file, or give a list of shots")
    return tuple(_shot(index, item) for index, item in enumerate(value))


def _shot(index: int, item: object) -> ShotRequest:
    if isinstance(item, ShotRequest):
        return item
    known = set(ShotRequest.__dataclass_fields__) - {"place"}
    if not isinstance(item, Mapping) or "start" not in item or set(item) - known:
        raise InputError.about(
            {"shots": item},
            f"a shot has a start, and any of {', '.join(sorted(known - {'start'}))}",
        )
    try:
        return ShotRequest(**cast(Mapping[str, object], item))  # type: ignore[arg-type]
    except InputError as err:
        raise InputError(
            f"shot {index + 1}: {err.message}", err.hint, fields={"shots": item}, rule=err.rule
        ) from err


def _spans(value: object) -> tuple[tuple[Fraction, Fraction], ...]:
    try:
        return read_spans(value)
    except ValueError as err:
        raise InputError(f"silent: {err}", fields={"silent": value}, rule=str(err)) from err


def _takes(value: object) -> dict[int, Take]:
    """By number; TOML and JSON have them as texts."""
    rule = "write the number of a part in the shot, and its seed or prompt: { 3 = { seed = 7 } }"
    if not isinstance(value, Mapping):
        raise InputError.about({"takes": value}, rule)
    takes = dict[int, Take]()
    for key, item in value.items():
        known = isinstance(item, Mapping) and set(item) <= set(Take.__dataclass_fields__)
        if not re.fullmatch("[1-9][0-9]{0,8}", str(key)) or not (known or isinstance(item, Take)):
            raise InputError.about({"takes": value}, rule)
        takes[int(key)] = item if isinstance(item, Take) else Take(**item)
    return dict(sorted(takes.items()))


def _read(name: str, kind: str, value: object) -> object:
    """By the row of `kind`; a seed that is drawn anew on every run is none for a shot."""
    try:
        read = read_field(kind, value)
    except InputError as err:
        raise InputError.about({name: value}, err.rule) from err
    if read == -1:
        raise InputError.about({name: value}, "a shot's seed is 0 or more")
    return read
