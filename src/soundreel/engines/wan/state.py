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

from soundreel.engines.wan.quant import FP8_DTYPES, dequantise, split_scales, use_scaled_linears
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
    state: Mapping[str, Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
    float32: Callable[[str], bool] = lambda _: False,
) -> None:
    """Put a file's tensors into a module from `empty_model`, in place.

    rename: from the file's names to the module's; it sees `<layer>.weight` and never a scale.
    float32: whether a parameter (by its module's name) is kept in float32 rather than `dtype`.
    8-bit weights of linear layers stay as they are, with their scales. Raises InputError for
    missing, unknown or misshapen tensors.
    """
    weights, scales = split_scales(state)
    # A scale travels under its weight's name, so that one renaming serves both.
    tagged = rename({f"{layer}.weight": scale for layer, scale in scales.items()})
    named_scales = {name.removesuffix(".weight"): scale for name, scale in tagged.items()}
    named = dict(rename(weights))
    buffers = use_scaled_linears(model, named, named_scales)
    _check_names(model, named)
    for name in list(named):
        layer = name.removesuffix(".weight")
        kept = f"{layer}.scale" in buffers and name.endswith(".weight")
        wanted = torch.float32 if float32(name) else dtype
        tensor = named[name] if kept else _widened(named[name], named_scales.get(layer), wanted)
        named[name] = tensor.to(device)
    named.update({name: scale.to(device) for name, scale in buffers.items()})
    model.load_state_dict(named, strict=False, assign=True)
    model.requires_grad_(False)
    model.to(device)  # buffers that no file holds


def _widened(tensor: Tensor, scale: Tensor | None, dtype: torch.dtype) -> Tensor:
    if tensor.dtype in FP8_DTYPES:
        return dequantise(tensor, torch.ones(()) if scale is None else scale, dtype)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _check_names(model: nn.Module, named: Mapping[str, Tensor]) -> None:
    wanted = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_meta}
    wanted = {name: tensor for name, tensor in wanted.items() if not name.endswith(".scale")}
    problems = [f"{name} is missing" for name in sorted(set(wanted) - set(named))]
    known = set(model.state_dict())
    problems += [f"{name} is unknown" for name in sorted(set(named) - known)]
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
