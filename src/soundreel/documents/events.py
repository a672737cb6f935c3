"""An event as JSON, and back: what a job in another process says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from soundreel.events import Event, StepPreview


def event_json(event: Event) -> dict[str, Any] | None:
    """None of what only a page shows."""
    if isinstance(event, StepPreview):
        return None
    return {"event": type(event).__name__, "values": asdict(event)}


def event_of(document: Mapping[str, Any]) -> Event:
    made: Event = getattr(_EVENTS, document["event"])(**document["values"])
    return made


_EVENTS = sys.modules[Event.__module__]
