"""A tiny random I2V model twice: ours, and diffusers' with the same numbers under its own names.

The names are converted by diffusers' own table, so that neither side knows of the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from torch import Tensor, nn

from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from wan.model_folder import TEXT_WIDTH, fill_at_random

M = TypeVar("M", bound=nn.Module)

SIZES: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 24,
    "text_dim": TEXT_WIDTH,
    "ffn_dim": 64,
    "num_layers": 2,
}


def expert(seed: int, **sizes: int) -> WanI2VTransformer3DModel:
    model = WanI2VTransformer3DModel(**{**SIZES, **sizes}).eval().requires_grad_(False)
    return _filled(model, seed)


class ExactTimesteps(nn.Module):
    """diffusers' embedding of times in float64, as the official code has it: in float32 its angles
    are off by up to 6e-5, more than is compared here."""

    def forward(self, times: Tensor) -> Tensor:
        places = torch.arange(128, dtype=torch.float64) / 128
        angles = times.double()[:, None] * torch.exp(-math.log(10000) * places)
        return torch.cat([angles.cos(), angles.sin()], dim=-1).float()


def as_diffusers(ours: nn.Module, sizes: Mapping[str, Any] = SIZES) -> WanTransformer3DModel:
    given = {"attention_head_dim": 128, **sizes}
    twin = WanTransformer3DModel(in_channels=36, out_channels=16, **given).eval()
    state: dict[str, Tensor] = convert_wan_transformer_to_diffusers(dict(ours.state_dict()))
    twin.load_state_dict(state)
    times, own = torch.tensor([12.0, 900.0]), twin.condition_embedder.timesteps_proj
    assert (own(times) - ExactTimesteps()(times)).abs().max() < 1e-4
    twin.condition_embedder.timesteps_proj = ExactTimesteps()
    return twin


def tiny_vae(seed: int) -> AutoencoderKLWan:
    return _filled(AutoencoderKLWan(base_dim=4, num_res_blocks=1).eval(), seed)


def _filled(model: M, seed: int) -> M:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fill_at_random(model)
    return model
