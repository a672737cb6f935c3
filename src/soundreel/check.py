"""What a request must satisfy beyond its own values: files that open."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from soundreel.errors import InputError
from soundreel.types import Request


def check_request(request: Request) -> None:
    """Raises InputError naming the first file among the engine's options that cannot be read."""
    for name, value in request.options.items():
        if isinstance(value, Path) and not _can_be_read(value):
            raise InputError.about(
                {f"options.{name}": value},
                "no such file, or one that may not be read",
                hint="check the name",
            )


def _can_be_read(path: Path) -> bool:
    """A pipe is not: whoever opens one waits for its other end."""
    try:
        if path.is_dir():
            return True
        with path.open("rb") if path.is_file() else nullcontext() as file:
            return file is not None
    except (OSError, ValueError):
        return False
