"""Two speakers in one picture against the numbers of Alibaba-Quark/LiveAvatar (9c2c38d,
Apache-2.0), recorded on the tiny transformer beside this file, in float32 on a CPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from parity.models import transformer
from parity.reference import STAGE_TOLERANCE, Reference
from soundreel.engines.wan.model.attention import WanS2VAttnProcessor, apply_rotary, rotations
from soundreel.engines.wan.model.audio_injector import AudioTokens
from soundreel.engines.wan.model.blocks import WanS2VTransformerBlock
from soundreel.engines.wan.model.rope import _angles

DATA = Path(__file__).parent / "data"


@torch.no_grad()
def test_two_speakers_are_those_of_live_avatar() -> None:
    """Alibaba-Quark/LiveAvatar ran these layers in blocks of three latents that see the blocks
    before them; here that is a mask over one forward. Its speakers' masks may add up to more than
    1, and one block differs from this model in the reference's place only."""
    recorded = load_file(DATA / "live_two_speakers.safetensors")
    model = transformer(Reference(DATA))
    size = tuple(recorded["latents"].shape[1:])
    conditioning = model.prepare(
        recorded["context"][None],
        torch.cat(list(recorded["audio_first"]), dim=-1),
        cast("tuple[int, int, int]", size),
        recorded["ref_latents"],
        recorded["motion_latents"],
    )
    mask = recorded["mask"].flatten(2, 3).repeat(1, 2, 1, 1)  # (2, 6, n, 1): of both blocks
    speakers = []
    for sounds, where in zip(
        (recorded["audio_first"], recorded["audio_second"]), mask, strict=True
    ):
        each = [model._audio_tokens(block, 73) for block in sounds]
        speakers.append(
            AudioTokens(
                torch.cat([block.local_tokens for block in each], dim=1),
                torch.cat([block.global_token for block in each], dim=1),
                where,
            )
        )
    conditioning = replace(conditioning, audio=tuple(speakers))
    noisy, of_reference = mask[0, :, :, 0].numel(), mask.shape[2]
    for block in cast("Iterable[WanS2VTransformerBlock]", model.blocks):
        block.self_attn.processor = InBlocks(noisy, of_reference, model.config.attention_head_dim)

    latents = torch.cat(list(recorded["noise"]), dim=1)[None]
    sigmas = recorded["sigmas"]
    for index, timestep in enumerate(recorded["timesteps"]):
        velocity = model(latents, timestep[None], conditioning).sample
        latents = latents + (sigmas[index + 1] - sigmas[index]) * velocity
    torch.testing.assert_close(latents[0], recorded["latents"], rtol=0, atol=STAGE_TOLERANCE)


class InBlocks(WanS2VAttnProcessor):
    """Two blocks of noisy tokens: the first sees itself, the second both; both see reference and
    motion, which see each other alone. The second sees the reference 3 latents later."""

    def __init__(self, noisy: int, of_reference: int, head_dim: int) -> None:
        self._noisy, self._half = noisy, noisy // 2
        self._reference = slice(noisy, noisy + of_reference)
        angles = _angles(([3], [0] * of_reference, [0]), head_dim)
        self._later = rotations((angles.cos().float(), angles.sin().float()))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        half, noisy = self._half, self._noisy
        moved = key.clone()
        moved[:, self._reference] = apply_rotary(key[:, self._reference].clone(), self._later)
        first = [*range(half), *range(noisy, key.shape[1])]
        attend = super().attend
        return torch.cat(
            [
                attend(query[:, :half], key[:, first], value[:, first]),
                attend(query[:, half:noisy], moved, value),
                attend(query[:, noisy:], key[:, noisy:], value[:, noisy:]),
            ],
            dim=1,
        )
