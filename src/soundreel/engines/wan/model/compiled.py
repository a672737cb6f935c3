"""The blocks compiled: torch's compiler makes one graph of each sort of block and size of work.

What is compiled is a block's own computing. Hooks stay outside of it, so that weights are streamed
in (`memory.stream`) and a pass can be told of and stopped between blocks (`pulse`); and a graph is
shared by all blocks that are alike, whatever memory their weights lie in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from shutil import which
from typing import Any

import torch
from torch import Tensor, nn

from soundreel.errors import EngineError, mention

GRAPHS = 64
"""At most, of all sorts and sizes: blocks that are all of their own are not worth it."""

_COMPILERS = ("c++", "g++", "clang++", "cc", "gcc", "clang", "cl")


def compile_blocks(
    blocks: nn.ModuleList, backend: str | Callable[..., object] = "inductor"
) -> None:
    """After LoRAs are put on, before hooks are. backend: of torch.compile.

    A graph is made at the first use of a size (`dynamic=False`): graphs for any size would depend
    on which came first, and a job that is resumed would give other bytes than one that is not.
    """
    for block in blocks:
        block.forward = _translated(_graphs(block.forward, backend))


def _graphs(run: Callable[..., Tensor], backend: object) -> Callable[..., Tensor]:
    wanted: dict[str, Any] = {"backend": backend, "recompile_limit": GRAPHS}
    compiled: Callable[..., Tensor] = torch.compile(run, fullgraph=True, dynamic=False, **wanted)
    return compiled


def _translated(run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    def forward(*given: object) -> Tensor:
        try:
            return run(*given)
        except (TorchDynamoException, FailOnRecompileLimitHit) as err:
            cause = str(getattr(err, "inner_exception", err)).strip().partition("\n")[0]
            raise EngineError(
                f"the model's blocks could not be compiled: {cause}",
                hint=f"work without: {mention(compile='off')}",
            ) from err

    return forward


def missing_compiler(device: torch.device) -> str:
    """What compiling for the device needs and is not here; empty where nothing is missing."""
    if device.type not in ("cuda", "cpu"):
        return f"a compiler for {device.type}, which is untried"
    if device.type == "cuda" and find_spec("triton") is None:
        return "the package triton"
    named = (os.environ.get(name) for name in ("CXX", "CC"))
    found = any(which(name) for name in (*named, *_COMPILERS) if name)
    return "" if found else "a C++ compiler"
