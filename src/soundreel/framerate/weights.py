"""The networks on this machine, where nobody else makes the pictures between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from soundreel.config import Settings
from soundreel.engines.wan.files.selection import find_network
from soundreel.errors import EngineUnavailable
from soundreel.events import Notice, RunControl
from soundreel.post.interpolate import NETWORKS, require_packages
from soundreel.types import Interpolation


def with_weights(
    chosen: Interpolation,
    settings: Settings,
    control: RunControl,
    lacks: Mapping[str, str],
) -> Interpolation:
    """With the file of the network that is to run here. lacks: see `engines.base.Lacking`; what is
    made here in an engine's place is said. Raises EngineUnavailable."""
    if chosen.method not in NETWORKS or chosen.by_engine:
        return chosen
    why = lacks.get(chosen.method, "")
    try:
        require_packages(chosen.method)
        weights = find_network(chosen.method, settings.models_dir)
    except EngineUnavailable as err:
        if not why:
            raise
        raise EngineUnavailable(f"{why}; and here {err.message}", hint=err.hint) from err
    if why:
        control.emit(
            Notice(f"{why}: {chosen.method.upper()} runs here in its place, from {weights.name}")
        )
    return replace(chosen, weights=weights)
