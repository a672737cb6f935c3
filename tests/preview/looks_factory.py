"""Scenes of looks for the tests, small and quick."""

from __future__ import annotations

from pathlib import Path

from soundreel.api import check_inputs, plan_request
from soundreel.config import Settings
from soundreel.engines.preview.engine import PreviewEngine
from soundreel.engines.preview.options import PreviewOptions
from soundreel.engines.preview.scenes import Scenes
from soundreel.engines.preview.staging.scene import LookScene
from soundreel.events import RunControl
from soundreel.types import Request


def scene(audio: Path, look: str, **values: object) -> LookScene:
    """Of the first shot: 25 pictures a second, 96 x 96. Options of the engine are `options`."""
    options = {"look": look, "fade": 0, **dict(values.pop("options", {}))}  # type: ignore[call-overload]
    chosen = {"width": 96, "height": 96, "fps": 25, "seed": 7, "engine": "preview", **values}
    request = Request(audio=audio, prompt="", options=options, **chosen)  # type: ignore[arg-type]
    engine, control = PreviewEngine(Settings()), RunControl()
    plan = plan_request(request, check_inputs(request), engine, control)
    read = PreviewOptions.model_validate(plan.request.options)
    made = Scenes(plan, read, control).of(plan.chunks[0])
    assert isinstance(made, LookScene)
    return made
