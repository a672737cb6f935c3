"""The decoder goes on over the border of two chunks, also where all but a few latents were lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor

from soundreel.engines.wan.encoders.border import REACH, Border, border_behind
from soundreel.engines.wan.encoders.tiles import TileSize, Tiling
from soundreel.engines.wan.encoders.vae import DecoderState, WanVae, vae_model
from wan import tiny as wan_tiny

CPU = torch.device("cpu")
BEFORE, AFTER = REACH + 6, 2
"""Latents on both sides of the border."""

TILES = Tiling(decode=TileSize(3, 10))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with wan_tiny.one_thread():
        yield


@pytest.fixture(scope="module")
def vae() -> WanVae:
    """As deep as the real one."""
    torch.manual_seed(0)
    return WanVae(vae_model({"base_dim": 4}))


def latents_of(count: int, width: int = 2) -> Tensor:
    return torch.randn(1, 16, count, 2, width, generator=torch.Generator().manual_seed(count))


def decoded(vae: WanVae, latents: Tensor, state: DecoderState) -> Tensor:
    return torch.cat(list(vae.decode(latents, state=state)), dim=2)


@pytest.mark.parametrize("tiling", [Tiling(), TILES])
def test_two_decodes_give_the_pictures_of_one(vae: WanVae, tiling: Tiling) -> None:
    vae.tiling = tiling
    latents = latents_of(5, width=12)
    whole = decoded(vae, latents, DecoderState())
    state = DecoderState()
    first = decoded(vae, latents[:, :, :3], state)
    kept = state.to(CPU)
    second = decoded(vae, latents[:, :, 3:], state)
    assert torch.equal(torch.cat([first, second], dim=2), whole)
    assert second.shape[2] == 8
    assert torch.equal(decoded(vae, latents[:, :, 3:], kept), second), "a copy stays as it was"
    vae.tiling = Tiling()


def test_the_last_latents_are_enough_to_go_on(vae: WanVae) -> None:
    latents = latents_of(BEFORE + AFTER)
    state = DecoderState()
    decoded(vae, latents[:, :, :BEFORE], state)
    border = border_behind(None, latents[:, :, :BEFORE], state)
    assert border.latents.shape[2] == REACH
    expected = decoded(vae, latents[:, :, BEFORE:], border.state_for(vae, CPU, nothing))
    made = decoded(vae, latents[:, :, BEFORE:], Border(border.latents).state_for(vae, CPU, nothing))
    assert torch.equal(made, expected)
    fewer = Border(border.latents[:, :, 1:]).state_for(vae, CPU, nothing)
    assert not torch.equal(decoded(vae, latents[:, :, BEFORE:], fewer), expected)


def test_a_short_shot_keeps_all_of_its_latents(vae: WanVae) -> None:
    latents = latents_of(6)
    state = DecoderState()
    decoded(vae, latents[:, :, :2], state)
    border = border_behind(None, latents[:, :, :2], state)
    decoded(vae, latents[:, :, 2:4], state)
    border = border_behind(border, latents[:, :, 2:4], state)
    assert torch.equal(border.latents, latents[:, :, :4])
    expected = decoded(vae, latents[:, :, 4:], state)
    again = Border(border.latents).state_for(vae, CPU, nothing)
    assert torch.equal(decoded(vae, latents[:, :, 4:], again), expected)


def test_a_state_of_other_tiles_is_made_anew(vae: WanVae) -> None:
    latents, state = latents_of(4, width=12), DecoderState()
    decoded(vae, latents[:, :, :2], state)
    border = border_behind(None, latents[:, :, :2], state)
    vae.tiling = TILES
    again = border.state_for(vae, CPU, nothing)
    assert len(state.caches) == 1
    assert len(again.caches) > 1
    assert decoded(vae, latents[:, :, 2:], again).shape[2] == 8
    vae.tiling = Tiling()


def nothing() -> None:
    return None
