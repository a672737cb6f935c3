"""Which releases of ComfyUI can serve, and which are known not to."""

from __future__ import annotations

import re

from soundreel.errors import EngineUnavailable

OLDEST = (0, 3, 64)
"""The first that has every node of the graphs and passes a latent file through unchanged."""
_BROKEN = {
    (0, 16, 3): "its audio encoder mixes number formats and fails on every sound",
}
_NUMBER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def check_release(server: object, version: str) -> None:
    """Raises EngineUnavailable in one sentence. A version that is no number is taken as it is."""
    match = _NUMBER.match(version)
    if match is None:
        return
    number = tuple(int(part or 0) for part in match.groups())
    if number < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise EngineUnavailable(
            f"{server}: ComfyUI {version} is too old, {least} or newer is needed",
            hint="update ComfyUI there",
        )
    if number in _BROKEN:
        raise EngineUnavailable(
            f"{server}: ComfyUI {version} cannot make these videos: {_BROKEN[number]}",
            hint="update ComfyUI there",
        )
