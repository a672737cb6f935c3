"""Counts what a piece of a model needs, operation by operation, without running it.

The module's own code runs on torch's meta device, where tensors have shapes and no data. Every
storage that comes alive is added and subtracted when it dies, so the peak is that of the code
itself; multiplications are counted by torch's own table of formulas. Attention and RMSNorm are
counted as the fused kernels do them: nothing of the size tokens x tokens is held.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import cast

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

Arguments = tuple[object, ...]
Named = dict[str, object]
"""What torch hands over of a call that is counted."""


Place = Hashable
"""Where in the code a tensor comes alive: the files and lines from the run down to it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """held_bytes: what of that which the run made itself lives on in the result; flops: a
    multiplication and an addition are two; parts: of these, the ones in each module that was
    watched; places: the most that lived at once at each place."""

    held_bytes: int
    flops: int
    parts: tuple[int, ...] = ()
    places: Mapping[Place, int] = field(default_factory=dict, compare=False)

    @property
    def peak_bytes(self) -> int:
        """The most that lived at once of what the run made itself."""
        return max(self.places.values(), default=0)


def count(run: Callable[[], object], watched: Sequence[nn.Module] = ()) -> Counted:
    """Run once and count. Use it on the meta device; on a real one it measures the same, but for
    the operations of products by oneDNN (`layers.product`)."""
    ledger = _Ledger()
    parts = [0] * len(watched)
    hooks = [hook for i, module in enumerate(watched) for hook in _watch(module, i, parts, ledger)]
    with torch.no_grad(), _FusedKernels(ledger), ledger:
        result = run()
        held = ledger.live
    del result
    for hook in hooks:
        hook.remove()
    return Counted(held, ledger.flops, tuple(parts), ledger.places)


def _watch(
    module: nn.Module, index: int, parts: list[int], ledger: _Ledger
) -> list[RemovableHandle]:
    def before(*_: object) -> None:
        parts[index] -= ledger.flops

    def after(*_: object) -> None:
        parts[index] += ledger.flops

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.flops = 0
        self.places: dict[Place, int] = {}
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: Arguments = (), kwargs: Named | None = None
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=out)
        if not func.is_view:
            for tensor in tree_leaves(out):
                self._enter(tensor)
        return out

    def _enter(self, tensor: object) -> None:
        if not isinstance(tensor, Tensor):
            return
        storage = tensor.untyped_storage()
        if storage not in self._seen:
            self._seen.add(storage)
            self.live += storage.nbytes()
            place = _place()
            self.places[place] = max(self.places.get(place, 0), self.live)
            weakref.finalize(storage, self._leave, storage.nbytes())

    def _leave(self, size: int) -> None:
        self.live -= size


def _place() -> Place:
    """Of the caller, in the run that is counted."""
    frame: FrameType | None = sys._getframe(1)
    lines = []
    while frame is not None and frame.f_code is not count.__code__:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return tuple(lines)


class _FusedKernels(TorchFunctionMode):
    """Gives attention and RMSNorm the memory of the kernels that a GPU runs.

    Attention holds its result and one float32 a query and head (Dao 2023, FlashAttention-2,
    algorithm 1), and takes 4 B H S S' d operations. RMSNorm holds its result and one float32 a row
    (torch's `_fused_rms_norm`; a torch without it works as on a CPU, in float32 copies).
    """

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: Arguments = (),
        kwargs: Named | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            named = dict(zip(("query", "key"), args, strict=False)) | kwargs
            query, key = cast(Tensor, named["query"]), cast(Tensor, named["key"])
            self._ledger.flops += 4 * query.numel() * key.shape[-2]
            return _result_of(query)
        if func in (F.rms_norm, torch.rms_norm) and hasattr(torch.ops.aten, "_fused_rms_norm"):
            return _result_of(cast(Tensor, kwargs.get("input", *args[:1])))
        return func(*args, **kwargs)


def _result_of(source: Tensor) -> Tensor:
    """A tensor like `source`, after one float32 for each of its rows was held beside it."""
    rows = source.new_empty(source.shape[:-1], dtype=torch.float32)
    result = torch.empty_like(source)
    del rows
    return result
