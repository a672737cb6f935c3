"""A drawing as a PNG under a name that the user gives."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from soundreel.errors import InputError

if TYPE_CHECKING:
    from PIL import Image


def require_png(target: Path) -> None:
    """Raises InputError, before any work, where the name is no new PNG's."""
    if target.suffix.lower() != ".png":
        raise InputError(f"{target} is no PNG", hint="give a name that ends in .png")
    if target.exists():
        raise InputError(f"{target} exists already", hint="choose another name, or remove it")


def write_png(target: Path, picture: Image.Image) -> None:
    from soundreel.work.files import write_atomic

    stored = BytesIO()
    picture.save(stored, "PNG")
    write_atomic(target, stored.getvalue())
