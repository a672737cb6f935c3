"""The light that comes up at the start of a clip and goes down at its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soundreel.engines.preview.drive.curves import Curve, ramp_in
from soundreel.engines.preview.drive.signals import Drive

MOST_START_S = 0.5
"""The picture that a player shows before it plays is the first one: it is not kept dark."""

START_LIGHT = 0.85
"""More would be seen as a movement, stronger than that of a click that falls into it."""

END_S = 1.6
"""How long the end of music takes."""


def faded(drive: Drive, seconds: float) -> Drive:
    """The same drive with fades: the end takes `seconds`, the start as long but at most
    MOST_START_S, both less in a short clip; 0 is none. What sounds meanwhile still shines."""
    if seconds <= 0:
        return drive
    length = drive.num_frames / drive.fps
    begin = _ramp(drive, min(MOST_START_S, seconds, length * 0.2))
    end = _ramp(drive, min(seconds, length * 0.12))[::-1]
    fade = (START_LIGHT + (1 - START_LIGHT) * begin) * (0.12 + 0.88 * end)
    light = fade + (1 - fade) * 0.6 * np.minimum(drive.glow, 1)
    return replace(drive, light=np.asarray(light, dtype=np.float32))


def _ramp(drive: Drive, seconds: float) -> Curve:
    return ramp_in(drive.num_frames, drive.fps, seconds)
