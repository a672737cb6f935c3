"""The parts of the model as the session takes them: each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from soundreel.engines.wan.encoders.text import TextEncoder
from soundreel.engines.wan.encoders.vae import WanVae
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan22_i2v import Expert

Residence = Callable[[nn.Module], AbstractContextManager[None]]
"""The model may be used on the device inside the context."""


@dataclass(frozen=True)
class ImageParts:
    """Loaders of the models, and where they run.

    text, vae, experts: called once each by a session (text again where the device ran out of
        memory), which drops the text encoder as soon as it is done with it.
    resident: wraps every use of a model but the two transformers; visit: wraps those, of which one
        leaves the device before the other comes (`offload.Residence`).
    device: where latents live and noise is drawn.
    dtype: of the drawn noise and of the products: bfloat16 in production.
    """

    text: Callable[[], TextEncoder]
    vae: Callable[[], WanVae]
    experts: Mapping[Expert, Callable[[], WanI2VTransformer3DModel]]
    device: torch.device
    dtype: torch.dtype
    resident: Residence
    visit: Residence
