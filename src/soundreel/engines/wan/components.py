"""The parts of the model as the session takes them: each loaded when it is first needed.

Text and sound are encoded before the transformer is loaded, so that the big models never have to
lie in memory together. How the parts are found, read and quantised is `loading`'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from soundreel.engines.wan.audio_encoder import AudioEncoder
    from soundreel.engines.wan.text import TextEncoder
    from soundreel.engines.wan.vae import WanVae


def _stay(_: nn.Module) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Components:
    """Loaders of the four models, and where they run.

    text, audio, vae, transformer: called at most once each by a session, which drops the result
        as soon as it is done with it. The models come on `device`, or wherever `resident` finds
        them.
    resident: wraps every use of a model; an offloading loader moves the model to `device` on
        entry and away on exit. By default models stay where they are.
    device: where latents live and noise is drawn.
    dtype: of the transformer's inputs and of the drawn noise: bfloat16 in production.
