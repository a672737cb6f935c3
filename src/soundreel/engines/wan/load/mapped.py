"""From weight files to modules: mapped into memory, put into place without a second copy.

A module is made on the meta device and takes the file's own tensors. safetensors files are memory
maps: on the CPU nothing is read before it is used, and the system may drop it again; another
device gets one tensor after the other. Pickles are read with `weights_only=True`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.gguf import BLOCKS, LARGE_TABLE
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.files.limits import faults_of
from soundreel.engines.wan.load.quantised import (
    Quantised,
    QuantisedEmbedding,
    QuantisedLinear,
)
from soundreel.errors import InputError

M = TypeVar("M", bound=nn.Module)

_SHOWN = 12  # differences that a message names

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.uint8,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_state(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of the files by name, mapped, on the CPU. Raises InputError where one is none."""
    state: dict[str, Tensor] = {}
    for path in files:
        state.update(_read_pickle(path) if is_zip(path) else _read_safetensors(path))
    return state


def empty_model(make: Callable[[], M]) -> M:
    """The module that `make` builds, all of it on the meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return make().eval().requires_grad_(False)


def fill(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    quantised: Mapping[str, Quantised],
    *,
    device: torch.device,
    dtype: torch.dtype,
    float32: Callable[[str], bool] = lambda _: False,
) -> None:
    """Put tensors into a module from `empty_model`, in place; both mappings in the module's names.

    quantised: weights that stay so in linear layers and large tables; elsewhere they are restored.
    float32: whether a parameter is kept in float32 rather than `dtype`.
    Raises InputError for missing, unknown or misshapen tensors.
    """
    require_fit(model, weights)
    placed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        wanted = torch.float32 if float32(name) else dtype
        if name not in quantised:
            placed[name] = tensor.to(wanted) if tensor.is_floating_point() else tensor
        elif held := _held(model, name.removesuffix(".weight"), quantised[name], dtype):
            placed.update(held)
        else:
            placed[name] = quantised[name].restored(wanted)
    placed = {name: tensor.to(device) for name, tensor in placed.items()}
    model.load_state_dict(placed, strict=False, assign=True)
    model.requires_grad_(False)


def _held(model: nn.Module, layer: str, weight: Quantised, dtype: torch.dtype) -> dict[str, Tensor]:
    """Replace a layer by one that holds the weight as it is; what it holds, by name. {} where there
    is no such layer."""
    module = model.get_submodule(layer)
    made: nn.Module
    if isinstance(module, nn.Linear):
        made = QuantisedLinear(module, weight)
    elif (
        isinstance(module, nn.Embedding) and module.num_embeddings >= LARGE_TABLE and weight.by_rows
    ):
        made = QuantisedEmbedding(module, weight, dtype)
    else:
        return {}
    model.set_submodule(layer, made.requires_grad_(False))
    return {f"{layer}.{part}": tensor for part, tensor in weight.parts.items()}


def require_fit(model: nn.Module, named: Mapping[str, Tensor]) -> None:
    """Raises InputError for missing, unknown or misshapen tensors."""
    wanted = dict(model.named_parameters())  # a tied parameter counts once
    problems = [f"{name} is missing" for name in sorted(set(wanted) - set(named))]
    problems += [f"{name} is unknown" for name in sorted(set(named) - set(model.state_dict()))]
    problems += [
        f"{name} is {tuple(named[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in sorted(wanted.items())
        if name in named and named[name].shape != tensor.shape
    ]
    if problems:
        raise InputError(
            f"the weights do not fit {type(model).__name__}: {len(problems)} differences: "
            f"{'; '.join(problems[:_SHOWN])}",
            hint="soundreel models shows what each file is; soundreel models verify checks it",
        )


def is_zip(path: Path) -> bool:
    """Whether it is torch's archive of pickles rather than a file that can be mapped."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Views into one read-only mapping of the file.

    safetensors' own reader takes 18 s for the 1728 tensors of a 16 GB file, the views 6 ms; and a
    writable mapping of a file larger than main memory is refused by Linux.
    """
    return byte_views(path, read_header(path))


def byte_views(path: Path, header: Header) -> dict[str, Tensor]:
    """Every tensor of a mapped file; of blocks of numbers (GGUF) the bytes. Raises InputError."""
    data = _mapped(path)
    return {name: _view(data, tensor, path) for name, tensor in header.tensors.items()}


def _mapped(path: Path) -> Tensor:
    """The file's bytes, uint8. Nothing may write to them."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(mmap(file.fileno(), 0, access=ACCESS_READ), dtype=torch.uint8)


def _view(data: Tensor, tensor: TensorHeader, path: Path) -> Tensor:
    if tensor.dtype in BLOCKS:
        return data[tensor.start : tensor.end]
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise InputError(
            f"{path} holds numbers of type {tensor.dtype}, which is not supported",
            hint="take a file in fp8_scaled, bf16, fp16 or GGUF",
        )
    part = data[tensor.start : tensor.end]
    if tensor.start % dtype.itemsize:  # not aligned: rare, and small tensors where it occurs
        part = part.clone()
    return part.view(dtype).view(tensor.shape)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    with faults_of(path, "a plain checkpoint", "take the safetensors file instead"):
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
