"""Motion latents as ComfyUI's .latent files (safetensors), read and written without a tensor
library: the bytes of the floats are never touched."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundreel.engines.tensors import read_header, write_tensors
from soundreel.errors import RemoteError

_TENSOR, _FORMAT = "latent_tensor", "latent_format_version_0"


@dataclass(frozen=True, slots=True)
class Latents:
    """dtype: safetensors' name of it, e.g. "F32". shape: (batch, channels, latent frames, height/8,
    width/8). data: little-endian, in C order."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def read_latents(file: bytes) -> Latents:
    """Raises RemoteError if this is not a .latent file."""
    try:
        tensor = read_header(io.BytesIO(file))[0][_TENSOR]
        if len(tensor.shape) != 5:
            raise ValueError(f"a shape of {tensor.shape}, where video latents have five sides")
        return Latents(tensor.dtype, tensor.shape, file[tensor.start : tensor.end])
    except (struct.error, ValueError, KeyError, EOFError, RecursionError) as err:
        raise RemoteError(
            f"the server's latents cannot be read: {err!r}", hint="update ComfyUI, or start again"
        ) from err


def next_motion(before: Latents | None, sampled: Latents, count: int) -> Latents:
    """The last `count` latent frames of a shot, or all where it has fewer: of this chunk, and of
    `before` it.

    Raises RemoteError if the two do not fit together.
    """
    held = sampled.shape[2]
    if held >= count or before is None:
        return _last(sampled, min(count, held))
    if (before.dtype, _plane(before)) != (sampled.dtype, _plane(sampled)):
        raise RemoteError(
            f"the server changed its latents from {before.dtype} {before.shape} to "
            f"{sampled.dtype} {sampled.shape}",
            hint="another model or version? start the job again",
        )
    return _join(_last(before, min(count - held, before.shape[2])), sampled)


def write_latents(latents: Latents) -> bytes:
    """The same bytes for the same floats: no metadata. The empty second tensor tells LoadLatent
    not to rescale."""
    mark = ("F32", (0,), b"")
    return write_tensors({_FORMAT: mark, _TENSOR: (latents.dtype, latents.shape, latents.data)})


def _plane(latents: Latents) -> tuple[int, ...]:
    """The shape but for the number of latent frames."""
    return latents.shape[:2] + latents.shape[3:]


def _rows(latents: Latents) -> NDArray[np.uint8]:
    """(batch * channels, latent frames, bytes of one)."""
    batch, channels, frames = latents.shape[:3]
    return np.frombuffer(latents.data, np.uint8).reshape(batch * channels, frames, -1)


def _last(latents: Latents, count: int) -> Latents:
    batch, channels, frames, *plane = latents.shape
    data = _rows(latents)[:, frames - count :].tobytes()
    return Latents(latents.dtype, (batch, channels, count, *plane), data)


def _join(first: Latents, second: Latents) -> Latents:
    batch, channels, frames, *plane = second.shape
    data = np.concatenate([_rows(first), _rows(second)], axis=1).tobytes()
    return Latents(second.dtype, (batch, channels, first.shape[2] + frames, *plane), data)
