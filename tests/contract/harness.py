"""What the contract suite needs to know of an engine in order to test it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from soundreel.config import Settings
from soundreel.engines.base import Engine
from soundreel.types import Request


@dataclass(frozen=True)
class Harness:
    """One engine under test.

    make: the engine for a machine's settings; its test server or tiny model is set up already.
    size: a picture size that is legal and quick.     options: what a request needs to be quick.
    hears: pictures follow the sound, so that the offset of picture to sound can be measured.
    samples: pictures come by sampling steps, which are told.
    deterministic: a whole second run gives equal pictures.
    """

    name: str
    make: Callable[[Settings], Engine]
    settings: Settings
    size: tuple[int, int] = (64, 64)
    options: Mapping[str, object] = field(default_factory=dict)
    hears: bool = True
    samples: bool = True
    deterministic: bool = True

    def request(self, audio: Path, **changes: object) -> Request:
        values: dict[str, object] = {
            "audio": audio,
            "engine": self.name,
            "width": self.size[0],
            "height": self.size[1],
            "seed": 7,
            "options": dict(self.options),
        }
        return Request(**{**values, **changes})  # type: ignore[arg-type]
