"""The Wan 2.1 VAE, one latent frame at a time: diffusers' AutoencoderKLWan with its cache carried.

A latent frame is 4 pictures, the first one 1 picture: T latents are 1 + 4 (T - 1) pictures. Height
and width shrink by 8. Pictures are -1..1, latents are normalised: (mu - mean) / std.
Source: Wan-Video/Wan2.2, wan/modules/vae2_1.py, which is float32 throughout. The encoder is so here
too, since what it gives goes round from chunk to chunk; the decoder may be in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import torch
from diffusers import AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from torch import Tensor, nn

from soundreel.engines.wan.encoders.tiles import WHOLE, TileSize, Tiling, tiles_of
from soundreel.timeline.grid import FRAMES_PER_LATENT, pictures_of, whole_latents

SPACE = 8
"""Pixels of a picture per latent, in height and in width."""

_CACHED = "WanCausalConv3d"


class _Config(Protocol):
    """What we read of AutoencoderKLWan's configuration."""

    z_dim: int
    latents_mean: list[float]
    latents_std: list[float]


def _no_check() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Decoding:
    """Numbers and layout of the decoder.

    channels_last: the channels of a place lie together, as cuDNN's 16-bit convolutions want it.
        What goes through them then lies so too.
    """

    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    def prepare(self, module: nn.Module) -> None:
        module.to(self.dtype)
        for layer in module.modules() if self.channels_last else ():
            if isinstance(layer, nn.Conv3d):
                layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last_3d)
            elif isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)


EXACT = Decoding()
"""As the official code."""


def decoding_on(device: torch.device, dtype: torch.dtype) -> Decoding:
    """Where the transformer works in `dtype`."""
    return Decoding(dtype, channels_last=device.type == "cuda")


Cache = list[Tensor | str | None]
"""One place for every causal convolution, which keeps its last 2 inputs there: diffusers' own."""


@dataclass
class DecoderState:
    """What a decode leaves for one that goes on there.

    caches: of each tile; none where nothing was decoded. tile: the tiles' size.
    """

    caches: list[Cache] = field(default_factory=list)
    tile: TileSize | None = None

    def to(self, device: torch.device) -> DecoderState:
        """A copy there. Decoding replaces what a cache holds and writes nothing over."""
        caches = [[_moved(entry, device) for entry in cache] for cache in self.caches]
        return DecoderState(caches, self.tile)


class WanVae:
    """Encoder and decoder around diffusers' model, on the model's device.

    decoding: how the decoder computes; the encoder stays as it is.
    tiling: tiles overlap and are blended linearly, for devices without room for a picture; decoded
        pictures then come out after the last tile and are held in main memory. May be set anew.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        decoding: Decoding = EXACT,
        tiling: Tiling = WHOLE,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        for name in ("post_quant_conv", "decoder"):
            decoding.prepare(model.get_submodule(name))
        self.tiling = tiling
        self._config = cast(_Config, model.config)
        shape = (1, -1, 1, 1, 1)
        self._mean = torch.tensor(self._config.latents_mean).view(shape)
        self._deviation = torch.tensor(self._config.latents_std).view(shape)

    @property
    def latent_channels(self) -> int:
        return self._config.z_dim

    @torch.no_grad()
    def encode(self, pictures: Tensor, check: Callable[[], None] = _no_check) -> Tensor:
        """Latents (1, C, T, H/8, W/8), float32, of pictures (1, 3, F, H, W).

        Pictures are taken in groups of 1, 4, 4, ...; those left over are dropped. `check` is called
        before every group.
        """
        groups = whole_latents(pictures.shape[2])
        height, width = pictures.shape[3] // SPACE, pictures.shape[4] // SPACE
        tiles = tiles_of(height, width, self.tiling.encode)
        if len(tiles) == 1:
            return torch.cat(list(self._encode_groups(pictures, check)), dim=2)
        out = _Mosaic((1, self.latent_channels, groups, height, width), pictures.device)
        for rows, columns in tiles:
            tile = pictures[..., _scaled(rows, SPACE), _scaled(columns, SPACE)]
            latents = torch.cat(list(self._encode_groups(tile, check)), dim=2)
            out.add(latents, slice(0, groups), rows, columns)
            out.close(rows, columns)
        return out.result()

    @torch.no_grad()
    def decode(
        self,
        latents: Tensor,
        skip: int = 0,
        check: Callable[[], None] = _no_check,
        state: DecoderState | None = None,
    ) -> Iterator[Tensor]:
        """Pictures (1, 3, n, H, W), -1..1, float32, of latents (1, C, T, h, w), as they are ready.

        The first `skip` pictures are decoded but not given. `check` is called before every latent.
        state: of an earlier decode on such tiles, where this one goes on; the first latent then
            is 4 pictures too. When all pictures are taken, it is that of this decode.
        """
        state = state or DecoderState()
        tiles = tiles_of(latents.shape[3], latents.shape[4], self.tiling.decode)
        count = max(0, latents.shape[2] * FRAMES_PER_LATENT - (0 if state.caches else 3) - skip)
        if not state.caches:
            decoder = self.model.get_submodule("decoder")
            state.caches, state.tile = [_empty_cache(decoder) for _ in tiles], self.tiling.decode
        if len(tiles) == 1:
            yield from _skipped(self._decode_latents(latents, check, state.caches[0]), skip)
            return
        height, width = latents.shape[3] * SPACE, latents.shape[4] * SPACE
        out = _Mosaic((1, 3, count, height, width), torch.device("cpu"))
        for (rows, columns), cache in zip(tiles, state.caches, strict=True):
            tile = _scaled(rows, SPACE), _scaled(columns, SPACE)
            done = 0
            stream = self._decode_latents(latents[..., rows, columns], check, cache)
            for pictures in _skipped(stream, skip):
                out.add(pictures, slice(done, done + pictures.shape[2]), *tile)
                done += pictures.shape[2]
            out.close(*tile)
        yield from torch.split(out.result(), FRAMES_PER_LATENT, dim=2)

    def _encode_groups(self, pictures: Tensor, check: Callable[[], None]) -> Iterator[Tensor]:
        encoder = self.model.get_submodule("encoder")
        quant_conv = self.model.get_submodule("quant_conv")
        cache = _empty_cache(encoder)
        mean, deviation = self._mean, self._deviation
        for start in (
            0,
            *range(1, pictures_of(whole_latents(pictures.shape[2])), FRAMES_PER_LATENT),
        ):
            check()
            group = pictures[:, :, start : start + (FRAMES_PER_LATENT if start else 1)]
            hidden = encoder(_placed(group, encoder), feat_cache=cache, feat_idx=[0])
            mu = quant_conv(hidden)[:, : self.latent_channels].float()
            yield (mu - mean.to(mu.device)) * (1.0 / deviation).to(mu.device)

    def _decode_latents(
        self, latents: Tensor, check: Callable[[], None], cache: Cache
    ) -> Iterator[Tensor]:
        decoder = self.model.get_submodule("decoder")
        post_quant_conv = self.model.get_submodule("post_quant_conv")
        begins = all(entry is None for entry in cache)
        mean, deviation = self._mean.to(latents.device), self._deviation.to(latents.device)
        for index in range(latents.shape[2]):
            check()
            latent = latents[:, :, index : index + 1] / (1.0 / deviation) + mean
            hidden = post_quant_conv(_placed(latent, decoder))
            pictures = decoder(
                hidden, feat_cache=cache, feat_idx=[0], first_chunk=begins and index == 0
            )
            yield pictures.float().clamp(-1.0, 1.0)


def _placed(tensor: Tensor, module: nn.Module) -> Tensor:
    """Where the module is, and as it computes."""
    parameter = next(module.parameters())
    return tensor.to(parameter.device, parameter.dtype)


class _Mosaic:
    """Overlapping tiles, blended with weights that fall linearly to their edges."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self._sum = torch.zeros(shape, device=device)
        self._weight = torch.zeros(shape[-2:], device=device)

    def add(self, tile: Tensor, frames: slice, rows: slice, columns: slice) -> None:
        """Put the tile's `frames` (1, C, n, h, w) at (rows, columns)."""
        tile = tile.to(self._sum.device)
        self._sum[:, :, frames, rows, columns] += tile * self._ramp(rows, columns)

    def close(self, rows: slice, columns: slice) -> None:
        """All frames of this tile are added."""
        self._weight[rows, columns] += self._ramp(rows, columns)

    def result(self) -> Tensor:
        return self._sum.div_(self._weight)

    def _ramp(self, rows: slice, columns: slice) -> Tensor:
        vertical, horizontal = (_tent(s.stop - s.start) for s in (rows, columns))
        return (vertical[:, None] * horizontal).to(self._sum.device)


def _tent(length: int) -> Tensor:
    """Weights 1, 2, ... rising to the middle and falling again, of the given length."""
    position = torch.arange(1, length + 1, dtype=torch.float32)
    return torch.minimum(position, position.flip(0))


def _scaled(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def _moved(entry: Tensor | str | None, device: torch.device) -> Tensor | str | None:
    return entry.to(device) if isinstance(entry, Tensor) else entry


def _empty_cache(module: nn.Module) -> Cache:
    return [None] * sum(type(part).__name__ == _CACHED for part in module.modules())


def _skipped(stream: Iterator[Tensor], skip: int) -> Iterator[Tensor]:
    for pictures in stream:
        if skip < pictures.shape[2]:
            yield pictures[:, :, skip:]
        skip = max(0, skip - pictures.shape[2])


def vae_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """diffusers' names for a checkpoint with the original names or with diffusers'."""
    tensors = dict(state)
    if "conv1.weight" in tensors:
        tensors = convert_wan_vae_to_diffusers(tensors)
    return tensors


def vae_config(tensors: Mapping[str, Tensor]) -> dict[str, object]:
    """Fields of AutoencoderKLWan, read from tensors named as `vae_keys` gives them."""
    return {
        "base_dim": tensors["encoder.conv_in.weight"].shape[0],
        "z_dim": tensors["post_quant_conv.weight"].shape[0],
    }


def vae_model(config: Mapping[str, object]) -> nn.Module:
    """diffusers' VAE, not yet filled."""
    model: nn.Module = AutoencoderKLWan(**config)
    return model


def build_vae(
    state: Mapping[str, Tensor],
    config: Mapping[str, object] | None = None,
    *,
    decoding: Decoding = EXACT,
    tiling: Tiling = WHOLE,
) -> WanVae:
    """The VAE from a checkpoint's tensors: the encoder in float32, the decoder as `decoding` says.

    config: fields of AutoencoderKLWan that differ from those of the tensors and the Wan 2.1 VAE.
    Raises KeyError naming missing and unknown tensors.
    """
    tensors = vae_keys(state)
    model = vae_model({**vae_config(tensors), **(config or {})})
    result = model.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise KeyError(
            f"VAE file: missing {result.missing_keys[:8]}, unknown {result.unexpected_keys[:8]}"
        )
    return WanVae(model, decoding=decoding, tiling=tiling)
