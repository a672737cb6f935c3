"""Pictures in between by FILM or RIFE, on a GPU where there is one, in tiles where they are
large."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from threading import Lock
from time import monotonic

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from soundreel.errors import InputError, OutOfMemory, mention
from soundreel.post.networks.device import choose_device, driver_name
from soundreel.post.networks.film import SMALLEST, Film
from soundreel.post.networks.kept import keep_pace
from soundreel.post.networks.rife import rife_of
from soundreel.types import Rgb
from soundreel.work.job import Fixed

LARGEST_TILE = 1280
"""Pixels of a side that is worked on at once: a picture of this size takes some 6 GB."""

SMALLEST_TILE = 256
OVERLAP = 64
"""Pixels by which neighbouring tiles overlap and are blended."""

TILE = "film_tile"
"""The job's fact that says the side of its tiles."""

_TOLD = 8
"""Pictures after which the pace is kept."""

_AT_WORK = Lock()
"""Threads of one process share its device: one works, and has its memory, at a time."""

Network = Callable[[Tensor, Tensor, float], Tensor]


class NetworkBetween:
    """(first, second, times) -> pictures, as `post.interpolate` wants them.

    weights: `film_net_fp32.pt` (TorchScript), `film_net_fp16.safetensors`, or RIFE's as
    `rife_v4.26.safetensors`. method: which of them, "film" or "rife". fixed: keeps the side
    of the tiles, which is found with the first pair by what memory is free and changes pictures, so
    that all of a job, a resumed one too, are made alike. work_dir: where its pace is kept.
    Raises InputError where the file is none of them, OutOfMemory where not even small tiles fit, or
    the job's no longer do.
    """

    def __init__(
        self,
        weights: Path,
        method: str = "film",
        fixed: Fixed = lambda _, make: make(),
        work_dir: Path | None = None,
    ) -> None:
        self._device = choose_device()
        self._method = method
        self._network = load_network(weights, method, self._device)
        self._fixed = fixed
        self._work_dir = work_dir
        self._tile = 0
        self._made = 0
        self._took = 0.0

    @torch.no_grad()
    def __call__(self, first: Rgb, second: Rgb, times: Sequence[Fraction]) -> list[Rgb]:
        if not times:
            return []
        with _AT_WORK:
            return self._between(first, second, times)

    def _between(self, first: Rgb, second: Rgb, times: Sequence[Fraction]) -> list[Rgb]:
        pictures = _tensor(first, self._device), _tensor(second, self._device)
        self._tile = self._tile or self._fixed(TILE, lambda: self._largest_tile(*pictures))
        begin = monotonic()
        made = [_picture(self._at(*pictures, float(time))) for time in times]
        self._measure(len(made), monotonic() - begin, first.shape[0] * first.shape[1] / 1e6)
        return made

    def _measure(self, made: int, took: float, megapixels: float) -> None:
        """Keeps the pace now and then: a job that is killed teaches something, too."""
        before, self._made, self._took = self._made, self._made + made, self._took + took
        if self._work_dir is not None and self._made // _TOLD > before // _TOLD:
            pace = self._took / self._made / megapixels
            keep_pace(self._work_dir, self._method, driver_name(self._device), pace)

    def _at(self, first: Tensor, second: Tensor, time: float) -> Tensor:
        try:
            return in_tiles(self._network, first, second, time, self._tile)
        except torch.OutOfMemoryError as err:
            raise OutOfMemory(
                f"{self._method.upper()} works in tiles of {self._tile} pixels in this job, and "
                "the GPU has no room for one any more",
                hint="free the GPU, then run the same command: finished parts are kept",
            ) from err

    def _largest_tile(self, first: Tensor, second: Tensor) -> int:
        """The side of the largest tiles that fit. On a CPU nothing has to fit."""
        tile = LARGEST_TILE
        while self._device.type != "cpu":
            try:
                in_tiles(self._network, first, second, 0.5, tile)
                break
            except torch.OutOfMemoryError as err:
                if tile <= SMALLEST_TILE:
                    raise OutOfMemory(
                        f"{self._method.upper()} needs more memory than this GPU has free",
                        hint=f"take {mention(interpolate='flow')}, or free the GPU",
                    ) from err
            tile //= 2
            torch.cuda.empty_cache()
        return tile


def load_network(weights: Path, method: str, device: torch.device) -> Network:
    """The network of a weight file, in float32. Raises InputError."""
    try:
        network = _scripted(weights) if weights.suffix == ".pt" else _filled(weights, method)
        return network(device)
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as err:
        raise _no_network(weights, method, err) from err


def _scripted(weights: Path) -> Callable[[torch.device], Network]:
    """TorchScript runs in torch's own interpreter: no Python of the file is executed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = torch.jit.load(str(weights), map_location="cpu").eval()  # type: ignore[no-untyped-call]

    def on(device: torch.device) -> Network:
        moved = module.to(device)

        def run(first: Tensor, second: Tensor, time: float) -> Tensor:
            made: Tensor = moved(first, second, torch.full((1, 1), time, device=device))
            return made

        return run

    return on


def _filled(weights: Path, method: str) -> Callable[[torch.device], Network]:
    state = {
        name.removeprefix("module."): tensor.float() for name, tensor in load_file(weights).items()
    }
    with torch.device("meta"):
        network = Film() if method == "film" else rife_of(state)
    network.eval().requires_grad_(False).load_state_dict(state, assign=True)
    return network.to


def _no_network(weights: Path, method: str, err: Exception) -> InputError:
    reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
    return InputError(
        f"{weights} does not hold {method.upper()}: {reason}",
        hint="take film_net_fp16.safetensors or film_net_fp32.pt; soundreel models pull film"
        if method == "film"
        else "take rife_v4.26.safetensors",
    )


def in_tiles(network: Network, first: Tensor, second: Tensor, time: float, tile: int) -> Tensor:
    """(1, 3, H, W) of any size: filled up to SMALLEST, in tiles of at most `tile` pixels a side,
    blended where they overlap."""
    height, width = first.shape[-2:]
    first, second = _grown(first), _grown(second)
    total, weight = torch.zeros_like(first), torch.zeros_like(first[:, :1])
    for rows in spans(first.shape[-2], tile):
        for columns in spans(first.shape[-1], tile):
            made = network(first[..., rows, columns], second[..., rows, columns], time)
            ramp = _ramp(rows, first.shape[-2], made)[:, None] * _ramp(
                columns, first.shape[-1], made
            )
            total[..., rows, columns] += made * ramp
            weight[..., rows, columns] += ramp
    return (total / weight)[..., :height, :width]


def spans(size: int, tile: int) -> list[slice]:
    """The fewest stretches of at most `tile` that cover `size` with OVERLAP, as even as can be."""
    count = max(1, -(-(size - OVERLAP) // (tile - OVERLAP)))
    starts = [round(k * (size - OVERLAP) / count) for k in range(count + 1)]
    return [slice(a, b + OVERLAP) for a, b in pairwise(starts)]


def _ramp(span: slice, size: int, like: Tensor) -> Tensor:
    """Weights along a tile: rising over the overlap at inner edges, 1 elsewhere."""
    length = span.stop - span.start
    ramp = torch.ones(length, device=like.device)
    rise = (torch.arange(OVERLAP, device=like.device) + 0.5) / OVERLAP
    if span.start > 0:
        ramp[:OVERLAP] = rise
    if span.stop < size:
        ramp[-OVERLAP:] = torch.minimum(ramp[-OVERLAP:], rise.flip(0))
    return ramp


def _grown(picture: Tensor) -> Tensor:
    """With the edge repeated to the right and below, so that every scale has a pixel."""
    height, width = picture.shape[-2:]
    more = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
    return F.pad(picture, more, mode="replicate")


def _tensor(rgb: Rgb, device: torch.device) -> Tensor:
    """(1, 3, H, W), 0..1."""
    whole = torch.from_numpy(np.ascontiguousarray(rgb)).to(device)
    return whole.permute(2, 0, 1)[None].float() / 255


def _picture(made: Tensor) -> Rgb:
    whole = (made[0].clamp(0, 1) * 255).round().to(torch.uint8)
    rgb: Rgb = whole.permute(1, 2, 0).cpu().numpy()
    return rgb
