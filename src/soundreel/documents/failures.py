"""A failure as JSON."""

from __future__ import annotations

import json
from typing import Any

from soundreel.errors import InputError, SoundreelError
from soundreel.record import to_json


def error_json(error: SoundreelError) -> dict[str, object]:
    """type: of the error tree; fields: what does not fit, by its path ("width", "encoding.crf",
    "options.steps")."""
    tree = SoundreelError.__module__
    kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == tree)
    about: dict[str, object] = {
        "type": next(kinds),
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    if isinstance(error, InputError) and error.fields:
        about["fields"] = {path: _plain(value) for path, value in error.fields.items()}
        about["rule"] = error.rule
    return about


def _plain(value: object) -> Any:
    """A value as JSON; what JSON has not as the text that Python shows of it."""
    plain = to_json(value)
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError):
        return f"<{type(value).__name__}>"
    return plain
