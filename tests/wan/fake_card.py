"""A card that is not there: its tensors have shapes, types and a device, and no numbers.

torch's fake tensors refuse every operation between tensors of different devices, so whatever ran
inside `fake_card()` without an error would have run on a card. What lies in main memory stays real,
since code may look at its numbers. Where torch is built without CUDA, some methods ask for a real
device in their binding, and are spelled by other operations here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

CARD = torch.device("cuda", 0)
APPLE = torch.device("mps", 0)

ABSENT_TYPES = {"mps": (torch.float64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2)}
"""What a device cannot hold (pytorch/pytorch, aten/src/ATen/mps and its issues on float8)."""


@contextmanager
def fake_card(device: torch.device = CARD) -> Iterator[None]:
    """Inside, `device` is there: tensors may be made there, and moved there and back."""
    spelled = {
        "__getitem__": _picked,
        "__setitem__": _put,
        "contiguous": _contiguous,
        "copy_": _copy,
    }
    with ExitStack() as stack:
        for name, spelling in spelled.items():
            stack.enter_context(patch.object(FakeTensor, name, spelling, create=True))
        stack.enter_context(_OnlyTheCard(device))
        yield


class _OnlyTheCard(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Makes what is made on the card, or moved there, a fake tensor. Others stay as they are."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self._device = device

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Any,
        args: Sequence[object] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        fakes = any(isinstance(one, FakeTensor) for one in tree_leaves((args, given)))
        place = given.get("device")
        if fakes or (place is not None and torch.device(place).type == self._device.type):
            return self._held(super().__torch_dispatch__(func, types, args, given))
        return func(*args, **given)

    def _held(self, result: Any) -> Any:
        absent = ABSENT_TYPES.get(self._device.type, ())
        for tensor in tree_leaves(result):
            here = isinstance(tensor, Tensor) and tensor.device == self._device
            if here and tensor.dtype in absent:
                raise TypeError(f"{tensor.dtype} is not supported on {self._device.type}")
        return result


def _contiguous(tensor: Tensor, memory_format: torch.memory_format | None = None) -> Tensor:
    return tensor.clone(memory_format=memory_format or torch.contiguous_format)


def _copy(tensor: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    torch.ops.aten.copy_.default(tensor, source, non_blocking)
    return tensor


def _put(tensor: Tensor, index: Any, value: Any) -> None:
    place = _picked(tensor, index)
    place.copy_(value) if isinstance(value, Tensor) else place.fill_(value)


def _picked(tensor: Tensor, index: Any) -> Tensor:
    """`tensor[index]`."""
    dim, chosen = 0, list[Tensor | None]()
    for entry in _without_ellipsis(index, tensor.dim()):
        if entry is None:
            tensor = tensor.unsqueeze(dim)
        elif isinstance(entry, slice):
            tensor = torch.ops.aten.slice.Tensor(
                tensor, dim, entry.start, entry.stop, entry.step or 1
            )
        elif isinstance(entry, int):
            tensor = tensor.select(dim, entry)
            continue
        else:
            chosen += [None] * (dim - len(chosen)) + [torch.as_tensor(entry)]
        dim += 1
    return torch.ops.aten.index.Tensor(tensor, chosen) if chosen else tensor


def _without_ellipsis(index: Any, dims: int) -> list[Any]:
    entries = list(index) if isinstance(index, tuple) else [index]
    for place, entry in enumerate(entries):
        if entry is Ellipsis:
            named = sum(other is not None for other in entries) - 1
            entries[place : place + 1] = [slice(None)] * (dims - named)
            break
    return entries


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **_: object
) -> Tensor:
    """For Apple's device: torch's own asks for the kernels of a real one."""
    weights = query @ key.transpose(-1, -2)
    weights = weights if attn_mask is None else weights + attn_mask
    return weights.softmax(-1) @ value
