"""How torch's allocator on NVIDIA cards is to work, said before torch is imported."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

NAMES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""Variables by which a user sets the same; the second is the older name."""


def use_expandable_segments() -> None:
    """Let what one model leaves be used for tensors of other sizes, unless the user set anything.

    Only for builds that know it: CUDA's on Linux. PyPI's plain build there is one; others name
    themselves in their version (2.13.0+cpu, +rocm7, +cu130).
    """
    build = version("torch").partition("+")[2]
    if sys.platform == "linux" and (not build or build.startswith("cu")):
        if not any(name in os.environ for name in NAMES):
            os.environ[NAMES[0]] = "expandable_segments:True"
