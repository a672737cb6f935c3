"""What a request must satisfy beyond its own values: files that open."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from soundreel.errors import InputError, mention
from soundreel.events import Notice, RunControl
from soundreel.media.cover import load_cover
from soundreel.types import Request


def settled_cover(request: Request, shows_cover: bool, control: RunControl) -> Request:
    """The request, knowing whether the picture inside the sound file is its image: where it says
    so, or says nothing and the engine `shows_cover`. Raises InputError where it asks for one that
    is missing or cannot be shown."""
    if request.image is not None or request.cover is not None:
        if request.cover and load_cover(request.sound) is None:
            raise InputError.about(
                {"image": "cover"},
                f"{request.source.name} has no cover inside it",
                hint=f"give a picture, {mention('image')}, or leave it out",
            )
        return request
    found = shows_cover and _has_cover(request, control)
    if found:
        control.emit(
            Notice(
                f"the cover inside the sound is the image; {mention(image='none')} leaves it out"
            )
        )
    return replace(request, cover=found)


def _has_cover(request: Request, control: RunControl) -> bool:
    try:
        return load_cover(request.sound) is not None
    except InputError as err:
        control.emit(Notice(f"the cover inside the sound is not used: {err.message}"))
        return False


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
