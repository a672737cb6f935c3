"""Encoding and decoding equal the official VAE, in its frame groups."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from parity import models
from parity.reference import STAGE_TOLERANCE, Reference, max_abs
from soundreel.engines.wan.encoders.vae import Decoding, WanVae
from soundreel.timeline.grid import FRAMES_PER_LATENT


@pytest.fixture(scope="module")
def vae(reference: Reference) -> WanVae:
    return models.vae(reference)


def names(reference: Reference, start: str) -> list[str]:
    keys = reference.file("vae_cases").keys
    found = [key.removesuffix(".video") for key in keys if key.endswith(".video")]
    return [name for name in found if name.startswith(start)]


def test_normalisation_constants(reference: Reference, vae: WanVae) -> None:
    cases, config = reference.file("vae_cases"), cast(Any, vae.model.config)
    assert max_abs(torch.tensor(config.latents_mean), cases.tensor("mean")) == 0
    assert max_abs(torch.tensor(config.latents_std), cases.tensor("std")) == 0


def test_encode(reference: Reference, vae: WanVae) -> None:
    """Leftover pictures are dropped where the recorded video has some."""
    cases = reference.file("vae_cases")
    assert names(reference, "enc")
    for name in names(reference, "enc"):
        latents = vae.encode(cases.tensor(f"{name}.video")[None])
        assert max_abs(latents[0], cases.tensor(f"{name}.latent")) <= STAGE_TOLERANCE, name


def test_decode_comes_in_groups(reference: Reference, vae: WanVae) -> None:
    cases = reference.file("vae_cases")
    assert names(reference, "dec")
    for name in names(reference, "dec"):
        latents = cases.tensor(f"{name}.latent")[None]
        groups = list(vae.decode(latents))
        assert [group.shape[2] for group in groups] == [1] + [FRAMES_PER_LATENT] * (
            latents.shape[2] - 1
        )
        video = torch.cat(groups, dim=2)[0]
        assert max_abs(video, cases.tensor(f"{name}.video")) <= STAGE_TOLERANCE, name


def test_skipped_pictures_change_nothing(reference: Reference, vae: WanVae) -> None:
    cases = reference.file("vae_cases")
    name = max(names(reference, "dec"), key=lambda name: cases.tensor(f"{name}.video").shape[1])
    video, latents = cases.tensor(f"{name}.video"), cases.tensor(f"{name}.latent")[None]
    for skip in (2, 6):
        rest = torch.cat(list(vae.decode(latents, skip)), dim=2)[0]
        assert max_abs(rest, video[:, skip:]) <= STAGE_TOLERANCE


def test_half_precision_decodes_to_nearly_the_same_pictures(reference: Reference) -> None:
    """As on a card. Of 255 levels, measured: on average 0.6, at most 5.5."""
    vae, cases = models.vae(reference, Decoding(torch.bfloat16, channels_last=True)), "vae_cases"
    apart = _layouts(vae)
    for name in names(reference, "dec"):
        latents = reference.file(cases).tensor(f"{name}.latent")[None]
        video = torch.cat(list(vae.decode(latents)), dim=2)[0]
        levels = (video - reference.file(cases).tensor(f"{name}.video")).abs() * 127.5
        assert 0 < levels.mean() < 1, name
        assert levels.max() < 10, name
    assert sum(apart) < 0.1 * len(apart), "what goes through the convolutions keeps the layout"


def _layouts(vae: WanVae) -> list[bool]:
    """Of each use of a 3D convolution of the decoder: whether its channels lie apart."""
    apart: list[bool] = []

    def note(_module: nn.Module, given: tuple[torch.Tensor, ...], _result: object) -> None:
        apart.append(not given[0].is_contiguous(memory_format=torch.channels_last_3d))

    for module in vae.model.get_submodule("decoder").modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(note)
    return apart
