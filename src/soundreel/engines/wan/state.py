"""From weight files to modules: mapped into memory, put into place without a second copy.

A module is made on the meta device and takes the file's own tensors. safetensors files are memory
maps: on the CPU nothing is read before it is used, and the system may drop it again; another
device gets one tensor after the other. Pickles are read with `weights_only=True`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from soundreel.engines.wan.quant import FP8_DTYPES, dequantise, use_scaled_linears
from soundreel.errors import InputError


def read_state(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of the files by name, mapped, on the CPU. Raises InputError where one is none."""
    state: dict[str, Tensor] = {}
    for path in files:
        state.update(_read_pickle(path) if _is_zip(path) else _read_safetensors(path))
    return state


def empty_model(make: Callable[[], nn.Module]) -> nn.Module:
    """The module that `make` builds, with parameters on the meta device and real buffers."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
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
    buffers = use_scaled_linears(model, weights, scales)
    _check_names(model, weights)
    placed = {name: scale.to(device) for name, scale in buffers.items()}
    for name, tensor in weights.items():
        layer = name.removesuffix(".weight")
        wanted = torch.float32 if float32(name) else dtype
        if f"{layer}.scale" not in buffers or layer == name:
            tensor = _widened(tensor, scales.get(layer), wanted)
        placed[name] = tensor.to(device)
    model.load_state_dict(placed, strict=False, assign=True)
    model.requires_grad_(False)
    _place_buffers(model, device)


def _place_buffers(model: nn.Module, device: torch.device) -> None:
    """Buffers that no file holds were made on the CPU."""
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)


def _widened(tensor: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
    if tensor.dtype in FP8_DTYPES:
        return dequantise(tensor, torch.ones(()) if scale is None else scale, dtype)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _check_names(model: nn.Module, named: Mapping[str, Tensor]) -> None:
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
            f"{'; '.join(problems[:6])}{'; ...' if len(problems) > 6 else ''}",
            hint="soundreel models shows what each file is; soundreel models verify checks it",
        )


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as err:
        raise InputError(f"{path} cannot be read: {err}", hint="fetch the file again") from err


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as err:
        raise InputError(
            f"{path} is no plain checkpoint: {err}", hint="take the safetensors file instead"
        ) from err
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
