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
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.files.limits import faults_of
from soundreel.engines.wan.load.fp8 import FP8_DTYPES, dequantise, use_scaled_linears
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
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_state(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of the files by name, mapped, on the CPU. Raises InputError where one is none."""
    state: dict[str, Tensor] = {}
    for path in files:
        state.update(_read_pickle(path) if _is_zip(path) else _read_safetensors(path))
    return state


def empty_model(make: Callable[[], M]) -> M:
    """The module that `make` builds, all of it on the meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return make().eval().requires_grad_(False)


def fill(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    scales: Mapping[str, Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
    float32: Callable[[str], bool] = lambda _: False,
) -> None:
    """Put tensors into a module from `empty_model`, in place; both mappings in the module's names.

    scales: by layer, as `quant.split_scales` gives them. 8-bit weights of linear layers stay 8-bit.
    float32: whether a parameter is kept in float32 rather than `dtype`.
    Raises InputError for missing, unknown or misshapen tensors.
    """
    held = use_scaled_linears(model, weights, scales)
    require_fit(model, weights)
    placed: dict[str, Tensor] = {}
    for name, tensor in {**weights, **held}.items():
        if name not in held:
            wanted = torch.float32 if float32(name) else dtype
            tensor = _widened(tensor, scales.get(name.removesuffix(".weight")), wanted)
        placed[name] = tensor.to(device)
    model.load_state_dict(placed, strict=False, assign=True)
    model.requires_grad_(False)


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


def _widened(tensor: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
    if tensor.dtype in FP8_DTYPES:
        return dequantise(tensor, torch.ones(()) if scale is None else scale, dtype)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Views into one read-only mapping of the file.

    safetensors' own reader takes 18 s for the 1728 tensors of a 16 GB file, the views 6 ms; and a
    writable mapping of a file larger than main memory is refused by Linux.
    """
    header = read_header(path)
    data = _mapped(path)
    return {name: _view(data, tensor, path) for name, tensor in header.tensors.items()}


def _mapped(path: Path) -> Tensor:
    """The file's bytes, uint8. Nothing may write to them."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.frombuffer(mmap(file.fileno(), 0, access=ACCESS_READ), dtype=torch.uint8)


def _view(data: Tensor, tensor: TensorHeader, path: Path) -> Tensor:
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise InputError(
            f"{path} holds numbers of type {tensor.dtype}, which is not supported",
            hint="take a file in fp8_scaled, bf16 or fp16",
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
