"""Whether portraits can speak on this machine."""

from __future__ import annotations

import numpy as np

from soundreel.engines.preview.portrait.face import find_faces
from soundreel.types import Check

_NAME = "speaking portrait"


def check_portrait() -> Check:
    """Loads what finds faces and what hears phonemes: their own libraries may be missing, or be
    none of this system. Never a fault of the engine, which draws without them."""
    try:
        from hama.asr import ASRModel

        find_faces(np.zeros((48, 48, 3), np.uint8))
        ASRModel()
    except (ImportError, OSError, RuntimeError) as err:
        hint = "portraits are shown, their mouths stay still"
        return Check(_NAME, ok=False, found=str(err), hint=hint, optional=True)
    return Check(_NAME, ok=True, found="works: faces are found, phonemes are heard")
