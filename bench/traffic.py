"""What one pass of the 14B transformer moves through a card's memory, counted on tensors without
data: every operation reads its inputs and writes its outputs once. Attention and RMSNorm are taken
as fused kernels. It needs no card and a few seconds.

    python -m bench.traffic                 # 832x1216, 80 frames

"elementwise" is all that is neither a matrix product nor attention, nor the restoring of weights
(8-bit ones, and those with LoRAs on them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from soundreel.engines.wan.load import lora, quantised
from soundreel.engines.wan.memory import counted, needs
from soundreel.engines.wan.memory.needs import Workload
from soundreel.engines.wan.model.names import AUDIO_INJECT_LAYERS
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

Moved = Counter[str]
"""Bytes by sort: "products", "attention", "restoring", "elementwise"."""

BEFORE = 4.5e12
"""Elementwise bytes of a pass at 832x1216 with 80 frames before the blocks worked in pieces."""

TARGET = 0.65
"""Of BEFORE, at most."""

LAYERS = 40
_FREE = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "_unsafe_view")
_FREE_TOO = ("detach", "lift_fresh")
_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution")


def main() -> None:
    workload = Workload(832, 1216, 80)
    for rank in (0, 64):
        moved = traffic(workload, "fp8_scaled", rank)
        parts = ", ".join(f"{sort} {size / 1e12:.2f}" for sort, size in moved.most_common())
        loras = f", LoRA of rank {rank}" if rank else ""
        print(f"TB a pass at {workload.width}x{workload.height}, fp8{loras}: {parts}")
        share = moved["elementwise"] / BEFORE
        print(f"  elementwise {share:.2f} of {BEFORE / 1e12} TB (target {TARGET})")
    peak = needs.step_count(workload, "fp8_scaled").peak_bytes
    print(f"activations at their peak: {peak / 2**30:.1f} GiB (target 8.5)")


def traffic(workload: Workload, number_format: str, rank: int = 0) -> Moved:
    """Of one pass; rank: of a LoRA on every linear layer of the blocks, 0 is none."""
    model, run = counted.pass_of(workload, needs.row_of(number_format))
    if rank:
        _put_lora(model, rank)
    ledger = _Ledger()
    marks: list[Moved] = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda *_: marks.append(ledger.moved.copy()))
        block.register_forward_hook(lambda *_: marks.append(ledger.moved.copy()))
    with torch.no_grad():
        forward = run()
        with _named(ledger), _Fused(ledger), ledger:
            forward()
    singing, plain = (_less(marks[i + 1], marks[i]) for i in (0, 2))
    injected = len(AUDIO_INJECT_LAYERS)
    total = ledger.moved.copy()
    for sort in total:
        total[sort] += (injected - 1) * singing[sort] + (LAYERS - injected - 1) * plain[sort]
    return total


def _less(later: Moved, earlier: Moved) -> Moved:
    return Counter({sort: later[sort] - earlier[sort] for sort in later})


def _put_lora(model: WanS2VTransformer3DModel, rank: int) -> None:
    half = torch.bfloat16
    for name, module in list(model.blocks.named_modules()):
        if isinstance(module, nn.Linear) and "audio_injector" not in name:
            wrapped = lora.LoraLinear(module)
            down = torch.empty(rank, module.in_features, dtype=half, device="meta")
            up = torch.empty(module.out_features, rank, dtype=half, device="meta")
            wrapped.loras.append(lora.LowRank(down, up, 1.0))
            model.blocks.set_submodule(name, wrapped)


@contextmanager
def _named(ledger: _Ledger) -> Iterator[None]:
    """What is counted while weights are restored has that name."""

    def marked(function: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object) -> object:
            ledger.restoring += 1
            try:
                return function(*args)
            finally:
                ledger.restoring -= 1

        return run

    layers = (quantised.QuantisedLinear, lora.LoraLinear)
    patches = [patch.object(c, "restored", marked(c.restored)) for c in layers]
    with patches[0], patches[1]:
        yield


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moved: Moved = Counter()
        self.restoring = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._overloadpacket.__name__
        if not func.is_view and name not in _FREE and name not in _FREE_TOO:
            self.add(_sort(name), _read(name, args, kwargs) + _size(out))
        return out

    def add(self, sort: str, size: int) -> None:
        self.moved["restoring" if self.restoring else sort] += size


def _sort(name: str) -> str:
    return "products" if name in _PRODUCTS else "elementwise"


def _read(name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> int:
    """Bytes of the inputs; what is only written is not read."""
    inputs = {k: v for k, v in kwargs.items() if k != "out"}
    if name in ("copy_", "fill_", "zero_"):
        args = args[1:]
    return _size((args, inputs))


def _size(tree: object) -> int:
    return sum(t.numel() * t.itemsize for t in tree_leaves(tree) if isinstance(t, Tensor))


class _Fused(TorchFunctionMode):
    """Attention and RMSNorm as one kernel each: inputs are read once, the result is written."""

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            named = dict(zip(("query", "key"), args, strict=False)) | kwargs
            query, key = cast(Tensor, named["query"]), cast(Tensor, named["key"])
            self._ledger.add("attention", 2 * _size(query) + 2 * _size(key))
            return torch.empty_like(query)
        if func in (F.rms_norm, torch.rms_norm):
            source = cast(Tensor, kwargs.get("input", *args[:1]))
            self._ledger.add("elementwise", 2 * _size(source))
            return torch.empty_like(source)
        return func(*args, **kwargs)


if __name__ == "__main__":
    main()
