"""What products in int8 and fp8 do to a recorded case, beside restored weights.

    python -m bench.products                # on a CPU, some minutes

The recorded case is that of `bench.few_steps`: 4 blocks of random weights, two guided chunks of 40
steps. Its layers in the blocks are quantised; then the same weights multiply restored, and as they
are. By torch's own kernels on the CPU: those of a card round inputs and weights alike. Random
weights make no outliers, which trained ones are known for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from bench.few_steps import OFFICIAL, recorded, render, teller
from soundreel.engines.wan.load.products import Rounding, held_for, use_products
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.model.layers import FP32Linear
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel

KINDS: tuple[Rounding, ...] = ("int8", "fp8")


def main() -> None:
    run = recorded()
    plain = render(run, OFFICIAL)
    for kind in KINDS:
        restored = render(run, OFFICIAL, partial(quantised, kind, own=False))
        teller(f"weights in {kind}, from float32 ones", plain)("restored", restored)
        own = render(run, OFFICIAL, partial(quantised, kind, own=True))
        teller(f"products in {kind}, from restored weights", restored)("its own products", own)


@contextmanager
def quantised(kind: Rounding, model: WanS2VTransformer3DModel, *, own: bool) -> Iterator[None]:
    """The blocks' layers in such numbers; own: they multiply in them, too."""
    for name, layer in list(model.blocks.named_modules()):
        if isinstance(layer, nn.Linear) and not isinstance(layer, FP32Linear):
            held = held_for(kind, layer.weight.detach())
            made = QuantisedLinear(layer, held)
            bias = {} if layer.bias is None else {"bias": layer.bias.detach()}
            made.load_state_dict({**held.parts, **bias}, assign=True)
            model.blocks.set_submodule(name, made.requires_grad_(False))
    if own:
        print(f"{use_products(model.blocks, kind)} layers multiply in {kind}")
    yield


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
