"""FILM on this machine, where nobody else makes the pictures between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from soundreel.config import Settings
from soundreel.engines.wan.files.selection import find_film
from soundreel.errors import EngineUnavailable
from soundreel.events import Notice, RunControl
from soundreel.post.interpolate import FILM, require_packages
from soundreel.types import Interpolation


def with_film(
    chosen: Interpolation,
    settings: Settings,
    control: RunControl,
    lacks: Mapping[str, str],
) -> Interpolation:
    """With the file of FILM where that is to run here. lacks: see `engines.base.Lacking`; what is
    made here in an engine's place is said. Raises EngineUnavailable."""
    if chosen.method != FILM or chosen.by_engine:
        return chosen
    why = lacks.get(FILM, "")
    try:
        require_packages()
        weights = find_film(settings.models_dir)
    except EngineUnavailable as err:
        if not why:
            raise
        raise EngineUnavailable(f"{why}; and here {err.message}", hint=err.hint) from err
    if why:
        control.emit(Notice(f"{why}: FILM runs here in its place, from {weights.name}"))
    return replace(chosen, weights=weights)
