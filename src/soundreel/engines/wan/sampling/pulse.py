"""Inside a sampling step: how far it is, told every few blocks, and a way to stop it there.

A guided step of a large picture takes a minute and more, and a card's work is queued: the CPU would
be through the loop long before. Here it waits, every few blocks, for those that were queued before
the last few, which costs a card nothing: it always has the next ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from soundreel.engines.wan.memory.stream import has_streams

BLOCKS = 4
"""Blocks from one beat to the next: a tenth of a pass of the 14B model."""


class Mark(Protocol):
    """A place in the device's queue."""

    def record(self) -> None: ...

    def synchronize(self) -> None: ...


class Pulse:
    """Around the passes of one chunk; a context manager.

    beat: called with the blocks that the device is done with, and their number over `passes`; what
        it raises ends the pass there.
    A block that is compiled with its hooks tells nothing; then the end of each pass does.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: nn.ModuleList,
        passes: int,
        device: torch.device,
        beat: Callable[[int, int], None],
        mark: Callable[[], Mark | None] | None = None,
    ) -> None:
        self._model, self._blocks, self._beat = model, blocks, beat
        self._total = passes * len(blocks)
        self._mark = mark or (lambda: _mark(device))
        self._passes = 0
        self._queued: tuple[int, Mark | None] = (0, None)
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> None:
        for index, block in enumerate(self._blocks, 1):
            if index % BLOCKS == 0 and index < len(self._blocks):
                self._hooks.append(
                    block.register_forward_hook(lambda *_, index=index: self._block(index))
                )
        self._hooks.append(self._model.register_forward_hook(lambda *_: self._pass()))

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def skip(self) -> None:
        """A pass that was planned and is not made counts as done."""
        self._pass()

    def _block(self, index: int) -> None:
        if not torch.compiler.is_compiling():
            self._feel(self._passes * len(self._blocks) + index)

    def _pass(self) -> None:
        self._passes += 1
        self._feel(self._passes * len(self._blocks))

    def _feel(self, queued: int) -> None:
        """Without marks, what is queued is done."""
        mark = self._mark()
        (done, before), self._queued = self._queued, (queued, mark)
        if mark is None:
            done = queued
        else:
            mark.record()
        if before is not None:
            before.synchronize()
        self._beat(done, self._total)


def _mark(device: torch.device) -> Mark | None:
    if has_streams(device):
        return torch.Event(device)
    if device.type == "mps":  # whose queue has no public marks on all releases of torch
        torch.mps.synchronize()
    return None
