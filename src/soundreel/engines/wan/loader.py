"""The four models from their files, on a device, ready to run.

How tensors get into modules is `state`'s business, how names are converted that of `weights` and of
each model's own file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from soundreel.engines.wan.lookup import Found
from soundreel.engines.wan.lora import LoraSpec
from soundreel.engines.wan.state import read_state

if TYPE_CHECKING:
    from soundreel.engines.wan.audio_encoder import AudioEncoder
    from soundreel.engines.wan.text import TextEncoder
    from soundreel.engines.wan.transformer import WanS2VTransformer3DModel
    from soundreel.engines.wan.vae import WanVae

Report = Callable[[str], None]
"""Takes one sentence for the user."""
