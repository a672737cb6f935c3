"""The decoder over the border of two chunks: it goes on where it ended, as if there were no border.

A causal decoder needs no motion pictures decoded again before a chunk: what its convolutions saw
last is enough. That is 4.5 GiB at 832x1216 in 16 bits, so a job that is resumed is not given it,
but the few latents that it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from soundreel.engines.wan.encoders.vae import DecoderState, WanVae
from soundreel.timeline.grid import pictures_of

REACH = 38
"""Latents that decide what the decoder's convolutions saw last. Each looks 2 frames back at its own
rate: 12 of them at 1 frame a latent, 7 at 2, 13 at 4; 24 + 7 + 6.5 latents, rounded up."""


@dataclass(frozen=True)
class Border:
    """Behind a chunk.

    latents: (1, C, n, h, w) on the CPU, the shot's last ones before the border, n at most REACH.
    state: of the decoder behind them; None where it has to be made of them again.
    """

    latents: Tensor
    state: DecoderState | None = None

    def state_for(
        self, vae: WanVae, device: torch.device, check: Callable[[], None]
    ) -> DecoderState:
        """A copy, to go on with."""
        if self.state is not None and self.state.tile == vae.tiling.decode:
            return self.state.to(device)
        state = DecoderState()
        for _ in vae.decode(self.latents.to(device), pictures_of(REACH), check, state):
            pass
        return state

    def resting(self, device: torch.device) -> Border:
        """With the state where it is not in the way."""
        return replace(self, state=self.state and self.state.to(device))


def border_behind(before: Border | None, latents: Tensor, state: DecoderState) -> Border:
    """After `latents` (1, C, T, h, w) were decoded with `state`, in the shot of `before`."""
    latents = latents.cpu()
    if before is not None:
        latents = torch.cat([before.latents, latents], dim=2)
    return Border(latents[:, :, -REACH:].contiguous(), state)
