"""The parts of the model as the session takes them: each loaded when it is first needed.

Text and sound are encoded before the transformer is loaded, so that the big models never have to
lie in memory together.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from soundreel.engines.wan.encoders.sound import AudioEncoder
from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel


def stay(_: nn.Module) -> AbstractContextManager[None]:
    """A `resident` that leaves models where they are."""
    return nullcontext()


@dataclass(frozen=True)
class Components:
    """Loaders of the four models, and where they run.

    text, audio, vae, transformer: called once each by a session (text and audio again where the
        device ran out of memory), which drops the result as soon as it is done with it. The models
        come on `device`, or wherever `resident` finds them.
    resident: wraps every use of a model; an offloading loader moves the model to `device` on
        entry and away on exit. By default models stay where they are.
    resting: where that lies which is used again a chunk later and takes much room.
    device: where latents live and noise is drawn.
    dtype: of the transformer's inputs and of the drawn noise: bfloat16 in production.
    """

    text: Callable[[], TextEncoder]
    audio: Callable[[], AudioEncoder]
    vae: Callable[[], WanVae]
    transformer: Callable[[], WanS2VTransformer3DModel]
    device: torch.device
    dtype: torch.dtype = torch.bfloat16
    resident: Callable[[nn.Module], AbstractContextManager[None]] = stay
    resting: Callable[[], torch.device] = lambda: torch.device("cpu")
