"""Sound in, synchronised video out.

from pathlib import Path
from soundreel import Request, generate

result = generate(Request(audio=Path("song.mp3"), image=Path("portrait.png")))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundreel.api import generate as generate
    from soundreel.config import Settings as Settings
    from soundreel.errors import Cancelled as Cancelled
    from soundreel.errors import SoundreelError as SoundreelError
    from soundreel.events import Notice as Notice
    from soundreel.events import RunControl as RunControl
    from soundreel.types import Encoding as Encoding
    from soundreel.types import Request as Request
    from soundreel.types import Result as Result

_HOME = {
    "Cancelled": "errors",
    "Encoding": "types",
    "Notice": "events",
    "Request": "types",
    "Result": "types",
    "RunControl": "events",
    "Settings": "config",
    "SoundreelError": "errors",
    "generate": "api",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import soundreel` stays light."""
    if name not in _HOME:
        raise AttributeError(f"module 'soundreel' has no attribute {name!r}")
    return getattr(import_module(f"soundreel.{_HOME[name]}"), name)
