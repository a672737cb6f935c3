"""What the children of a batch do: look at a job, make its video.

Everything heavy is imported here, once, by the process that the children are forked from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from soundreel import api
from soundreel.cli.terminal.report import result_json
from soundreel.config import Settings
from soundreel.directing.direct import read_direction
from soundreel.documents.events import event_json
from soundreel.events import Event, RunControl
from soundreel.farm.child import Send
from soundreel.farm.shares import useful_hands
from soundreel.record import request_as_asked, to_json
from soundreel.registry import choose
from soundreel.types import Request
from soundreel.video.containers import with_container


def look(arguments: Mapping[str, Any], control: RunControl, _send: Send) -> dict[str, Any]:
    """Which engine makes it, and how many hands can work at it."""
    request, settings = request_as_asked(arguments["asked"]), Settings(**arguments["settings"])
    made, estimate = api.plan(request, settings, control)
    return {"engine": made.request.engine, "hands": useful_hands(made, estimate)}


def make(arguments: Mapping[str, Any], control: RunControl, send: Send) -> dict[str, Any]:
    """The video; what its job says on the way is sent."""
    os.environ.update(arguments["environ"])

    def tell(event: Event) -> None:
        if (document := event_json(event)) is not None:
            send(document)

    control.on_event = tell
    request, settings = request_as_asked(arguments["asked"]), Settings(**arguments["settings"])
    if request.engine == "auto" and arguments["hands"] == "comfyui":
        _require_servers(request, settings)
    made = api.generate(request, settings, control=control, **arguments["how"])
    document: dict[str, Any] = to_json(result_json(made))
    return document


def _require_servers(request: Request, settings: Settings) -> None:
    """Where those of this job cannot make it, others may: it is not the preview's, unasked. Raises
    EngineUnavailable."""
    read = read_direction(with_container(request), RunControl())
    choose(read, settings, RunControl(), begun="comfyui")
