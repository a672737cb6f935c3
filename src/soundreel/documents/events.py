"""An event as JSON, and back: what a job in another process says."""

from __future__ import annotations

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
    return _KINDS[document["event"]](**document["values"])


_KINDS = {kind.__name__: kind for kind in Event.__subclasses__()}
