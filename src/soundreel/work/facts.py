"""What was fixed when a job started: its job.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soundreel.errors import WorkError
from soundreel.work.files import read_regular

MARK = "soundreel job"
"""What tells our job.json from any other program's."""

FACTS = "job.json"
_MOST_FACTS = 16 << 20
"""Bytes; the words of hours may stand in it."""

_RULES: dict[str, Callable[[object], bool]] = {
    "seed": lambda value: type(value) is int and 0 <= value < 2**64,
    "digest": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "asked": lambda value: isinstance(value, dict),
    "decisions": lambda value: (
        isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    ),
    "vocals": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "engine": lambda value: isinstance(value, str) and value != "",
    "first": lambda value: type(value) is int and value >= 0,
    "made": lambda value: (
        isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
    ),
    "cues": lambda value: isinstance(value, list),
    "film_tile": lambda value: type(value) is int and 128 <= value <= 1 << 16,
    "output": lambda value: (
        isinstance(value, str) and Path(value).is_absolute() and "\0" not in value
    ),
}
"""What a fact must be where we know it; job.json may have been written by anybody."""


def read_facts(path: Path, hint: str) -> dict[str, Any]:
    """Empty where there is no such file yet. hint: how to start over. Raises WorkError."""
    try:
        facts = json.loads(read_regular(path, _MOST_FACTS))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as err:
        raise WorkError(f"{path} cannot be read: {err}", hint=hint) from err
    if not isinstance(facts, dict):
        raise WorkError(f"{path} is damaged", hint=hint)
    for name, rule in _RULES.items():
        if name in facts and not rule(facts[name]):
            raise WorkError(f"{path} is damaged: {name!r} cannot be {facts[name]!r:.80}", hint=hint)
    return facts
