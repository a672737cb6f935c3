"""A model's weight files as the loader takes them: plain tensors, and quantised weights in their
format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.formats import Declared, declared_quantisations
from soundreel.engines.wan.files.gguf import BLOCKS
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.load.comfy import Int4, Int8, MxFp8, NvFp4
from soundreel.engines.wan.load.fp8 import FP8_DTYPES, held_in_8_bits
from soundreel.engines.wan.load.gguf import Packed
from soundreel.engines.wan.load.mapped import byte_views, is_zip, read_state
from soundreel.engines.wan.load.quantised import Quantised
from soundreel.engines.wan.model.names import PREFIXES
from soundreel.errors import InputError

SCALE_NAMES = ("scale_weight", "weight_scale")

_OTHER_SCALES = ("weight_scale_2", "pre_quant_scale")

# Input scales serve products in few bits only; weights are multiplied in the input's dtype here.
_IGNORED = ("scale_input", "input_scale", "comfy_quant")
_MARKER = "scaled_fp8"

_LARGEST_PADDING = 32  # nvfp4 fills sides up to 16 numbers, mxfp8 to 32


@dataclass(frozen=True, slots=True)
class Contents:
    """weights: all tensors by name; of a quantised one a meta tensor of its shape, and the weight
    itself in `quantised` under the same name. folded: the file may have shapes with other numbers
    of dimensions than the model (GGUF has at most four, and drops leading ones)."""

    weights: dict[str, Tensor]
    quantised: dict[str, Quantised]
    folded: bool = False

    def renamed(self, names: Callable[[Mapping[str, str]], dict[str, str]]) -> Contents:
        """The same under other names; names: takes a mapping and gives it under the new ones."""
        old = names({name: name for name in self.weights})
        return replace(
            self,
            weights={new: self.weights[name] for new, name in old.items()},
            quantised={
                new: self.quantised[name] for new, name in old.items() if name in self.quantised
            },
        )

    def shaped_for(self, model: nn.Module) -> Contents:
        """With the model's own shapes where the file's differ by what its format does: dimensions
        folded, or sides filled up to a whole number of blocks."""
        wanted = {name: tensor.shape for name, tensor in model.named_parameters()}
        weights, quantised = dict(self.weights), dict(self.quantised)
        for name in wanted.keys() & weights.keys():
            tensor, shape = weights[name], wanted[name]
            if name in quantised and _is_padded(tensor.shape, shape):
                weights[name] = torch.empty(shape, device="meta")
                quantised[name] = replace(quantised[name], shape=tuple(shape))
            elif self.folded and tensor.numel() == shape.numel():
                weights[name] = tensor.reshape(shape)
                if name in quantised:
                    quantised[name] = replace(quantised[name], shape=tuple(shape))
        return replace(self, weights=weights, quantised=quantised)


def read_contents(files: Iterable[Path]) -> Contents:
    """All weights of the files, mapped, on the CPU. Raises InputError."""
    paths = list(files)
    headers = [None if is_zip(path) else read_header(path) for path in paths]
    if headers[0] is not None and headers[0].container == "gguf":
        return _packed(paths[0], headers[0])
    declared: dict[str, Declared] = {}
    for path, header in zip(paths, headers, strict=True):
        if header is not None:
            declared |= declared_quantisations(path, header)
    return split_quantised(read_state(paths), declared)


def split_quantised(
    state: Mapping[str, Tensor], declared: Mapping[str, Declared] | None = None
) -> Contents:
    """Part a file's tensors into plain ones and quantised weights; markers are dropped.

    declared: layers that the file says are quantised. 8-bit floats are so without a word.
    Raises InputError where an 8-bit weight has no scale and the file says that it is scaled.
    """
    formats = _by_tensor(state, declared or {})
    groups = _scales(state)
    weights = {name: tensor for name, tensor in state.items() if not _is_aside(name)}
    quantised: dict[str, Quantised] = {}
    for name, tensor in weights.items():
        layer = name.removesuffix(".weight")
        given = formats.get(layer) if layer != name else None
        if given is not None or tensor.dtype in FP8_DTYPES:
            read = _quantised(name, tensor, given, groups.get(layer, {}))
            quantised[name] = replace(read, exact=given is not None and given.exact)
    _check_scales(quantised, groups)
    shapes = {name: torch.empty(each.shape, device="meta") for name, each in quantised.items()}
    return Contents({**weights, **shapes}, quantised)


def _quantised(
    name: str, weight: Tensor, declared: Declared | None, scales: Mapping[str, Tensor]
) -> Quantised:
    form = declared.name if declared else ""
    group = declared.group if declared else 0
    scale = next((scales[each] for each in SCALE_NAMES if each in scales), None)
    if weight.dtype in FP8_DTYPES and form != "mxfp8":
        return held_in_8_bits(weight, scale)
    if scale is None:
        raise _without_scale([name])
    rows, columns = weight.shape
    parts = {"weight": weight.view(torch.int8)}
    if form == "int8_tensorwise":
        return Quantised(Int8(group), (rows, columns), {**parts, "scale": scale.float()})
    if form == "convrot_w4a4":
        return Quantised(Int4(group), (rows, 2 * columns), {**parts, "scale": scale.float()})
    parts["blocks"] = scale.view(torch.int8)
    if form == "mxfp8":
        return Quantised(MxFp8(), (rows, columns), parts)
    if form == "nvfp4" and "weight_scale_2" in scales:
        parts["scale"] = scales["weight_scale_2"].float()
        if "pre_quant_scale" in scales:
            parts["pre_quant_scale"] = scales["pre_quant_scale"].float()
        return Quantised(NvFp4(), (rows, 2 * columns), parts)
    raise InputError(
        f"{name} is quantised as {form or weight.dtype}, which is not read here",
        hint="take a file in fp8_scaled, bf16, fp16 or GGUF",
    )


def _by_tensor(
    state: Mapping[str, Tensor], declared: Mapping[str, Declared]
) -> dict[str, Declared]:
    """By the layer's name as the tensors have it: metadata may leave the model's prefix out."""
    found = {}
    for layer, given in declared.items():
        names = [layer, *(f"{prefix}{layer}" for prefix in PREFIXES)]
        found.update({name: given for name in names if f"{name}.weight" in state})
    return found


def _scales(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Layer -> its scales by their names in the file."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        if last in SCALE_NAMES or last in _OTHER_SCALES:
            groups.setdefault(layer, {})[last] = tensor
    return groups


def _is_aside(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last in (_MARKER, *SCALE_NAMES, *_OTHER_SCALES, *_IGNORED)


def _check_scales(
    quantised: Mapping[str, Quantised], groups: Mapping[str, Mapping[str, Tensor]]
) -> None:
    layers = {name.removesuffix(".weight") for name in quantised}
    missing = sorted(layers - set(groups)) if groups else []
    if missing:
        raise _without_scale(missing)


def _is_padded(stored: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(stored) == len(wanted) and all(
        0 <= side - real < _LARGEST_PADDING for side, real in zip(stored, wanted, strict=True)
    )


def _without_scale(layers: list[str]) -> InputError:
    return InputError(
        f"{len(layers)} quantised weights have no scale, first: {layers[0]}",
        hint="the file is damaged or half converted: fetch it again",
    )


def _packed(path: Path, header: Header) -> Contents:
    """Of a GGUF file: vectors and convolutions are plain numbers, matrices are blocks."""
    weights, quantised = {}, {}
    views = byte_views(path, header)
    for name, tensor in header.tensors.items():
        if tensor.dtype not in BLOCKS:
            weights[name] = views[name]
            continue
        rows = tensor.numel // tensor.shape[-1]
        parts = {"weight": views[name].view(torch.int8).view(rows, -1)}
        quantised[name] = Quantised(Packed(tensor.dtype), tensor.shape, parts)
        weights[name] = torch.empty(tensor.shape, device="meta")
    return Contents(weights, quantised, folded=True)
