"""Streaming and tiling of the VAE, on a model that only enlarges: its result is known."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan.encoders.tiles import (
    FINEST,
    LEAST,
    OVERLAP,
    SMALLEST,
    WHOLE,
    TileSize,
    tile_sizes,
    tiles_of,
)
from soundreel.engines.wan.encoders.vae import SPACE, WanVae
from soundreel.errors import Cancelled
from soundreel.events import RunControl


class Shrink(nn.Module):
    """One latent frame of 3 channels, doubled (mu, variance), for a group of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, feat_cache: list[Any], feat_idx: list[int]) -> Tensor:
        small = F.avg_pool2d(x[:, :, -1], SPACE)[:, :, None]
        return torch.cat([small, small], dim=1)


class Enlarge(nn.Module):
    """1 picture of the first latent frame, 4 of each further one; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.place = nn.Parameter(torch.zeros(1))

    def forward(
        self, x: Tensor, feat_cache: list[Any], feat_idx: list[int], first_chunk: bool
    ) -> Tensor:
        self.calls += 1
        pictures = F.interpolate(x[:, :, 0], scale_factor=SPACE, mode="bilinear")[:, :, None]
        return pictures if first_chunk else pictures.expand(-1, -1, 4, -1, -1)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(latents_mean=[0.0] * 3, latents_std=[1.0] * 3, z_dim=3)
        self.encoder, self.decoder = Shrink(), Enlarge()
        self.quant_conv = self.post_quant_conv = nn.Identity()


def smooth(*shape: int) -> Tensor:
    """A tensor (1, 3, T, h, w) in -1..1 that changes slowly in space."""
    rows = torch.linspace(-1, 1, shape[3])[:, None]
    columns = torch.linspace(0, 1, shape[4])[None]
    return (rows * columns).expand(shape) * torch.linspace(0.2, 1, shape[2]).view(1, 1, -1, 1, 1)


@pytest.mark.parametrize("height", [LEAST, LEAST + 1, 2 * LEAST])
@pytest.mark.parametrize("width", [LEAST - 3, 3 * LEAST + 5])
def test_tiles_join_without_a_seam(height: int, width: int) -> None:
    latents = smooth(1, 3, 3, height, width)
    whole = torch.cat(list(WanVae(Model()).decode(latents, skip=2)), dim=2)
    tiles = torch.cat(list(WanVae(Model(), tiling=FINEST).decode(latents, skip=2)), dim=2)
    assert whole.shape == tiles.shape == (1, 3, 7, height * SPACE, width * SPACE)
    assert (whole - tiles).abs().max() < 0.01, "bilinear enlarging differs at tile edges alone"
    pictures = whole[:, :, :5]
    encoded, in_tiles = (
        WanVae(Model()).encode(pictures),
        WanVae(Model(), tiling=FINEST).encode(pictures),
    )
    assert torch.allclose(encoded, in_tiles, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(152, 104), (104, 60), (33, 31), (20, 300)])
def test_tiles_of_every_size_cover_the_picture_and_overlap(height: int, width: int) -> None:
    sizes = tile_sizes(height, width)
    assert sizes[0] == TileSize(height, width)
    for size in sizes:
        tiles = tiles_of(height, width, size)
        covered = torch.zeros(height, width)
        for rows, columns in tiles:
            covered[rows, columns] += 1
            assert (rows.stop - rows.start, columns.stop - columns.start) == (
                min(height, size.height),
                min(width, size.width),
            )
        assert covered.min() >= 1
        for side, length in ((0, height), (1, width)):
            starts = sorted({(tile[side].start, tile[side].stop) for tile in tiles})
            assert starts[-1][1] == length
            overlaps = [a[1] - b[0] for a, b in pairwise(starts)]
            assert all(overlap >= OVERLAP for overlap in overlaps)


def test_sizes_of_tiles_come_by_the_work_that_they_make() -> None:
    work = [
        len(tiles_of(152, 104, size)) * size.height * size.width for size in tile_sizes(152, 104)
    ]
    assert work == sorted(work)
    assert len(work) == 24
    assert tile_sizes(152, 104)[-1] == SMALLEST


def test_pictures_come_out_as_soon_as_they_are_decoded() -> None:
    model = Model()
    stream = WanVae(model).decode(smooth(1, 3, 20, 8, 8))
    assert next(stream).shape[2] == 1
    assert next(stream).shape[2] == 4
    assert model.decoder.calls == 2


@pytest.mark.parametrize("tiled", [False, True])
def test_work_stops_at_the_next_group_when_cancelled(tiled: bool) -> None:
    control, model = RunControl(), Model()
    control.cancel()
    vae = WanVae(model, tiling=FINEST if tiled else WHOLE)
    with pytest.raises(Cancelled):
        vae.encode(torch.zeros(1, 3, 9, 320, 320), control.raise_if_cancelled)
    with pytest.raises(Cancelled):
        next(vae.decode(smooth(1, 3, 4, 40, 40), 0, control.raise_if_cancelled))
    assert model.decoder.calls == 0


def test_values_are_clamped() -> None:
    pictures = next(WanVae(Model()).decode(10 * smooth(1, 3, 1, 8, 8)))
    assert pictures.min() == -1
    assert pictures.max() == 1
