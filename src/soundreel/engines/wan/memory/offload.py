"""Where models are while they are used and while they wait: `--offload none|model|block`.

Weights stay in main memory as they were mapped from their files; a device gets copies, and letting
go of them costs nothing: nothing is ever copied back. Levels, from fast to frugal:

    none    a model stays on the device from its first use on
    model   a model is on the device while it is used
    block   of the transformer and the text encoder, a block is on the device while it is used, the
            next one on its way (diffusers' group offloading; streams and pinned memory where the
            device has them)

Below that there is one more step: the VAE on tiles.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Literal, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn

from soundreel.errors import OutOfMemory
from soundreel.events import Notice, RunControl

T = TypeVar("T")

Store = dict[str, Tensor]

OffloadLevel = Literal["none", "model", "block"]

OFFLOAD_LEVELS: tuple[OffloadLevel, ...] = ("none", "model", "block")
"""From fast to frugal."""

_PIN_FACTOR = 1.25
"""Main memory that must be free, as a multiple of a model's size, to pin all of it."""


class Tiled(Protocol):
    """A model that can work on tiles."""

    tiled: bool


class Residence:
    """Moves models between main memory and `device`, at a level that can be lowered.

    Use it as `Components.resident`. Models come in with their weights in main memory.
    vae: works on tiles where the lowest level is not low enough; whoever loads it sets it.
    """

    vae: Tiled | None = None

    def __init__(self, device: torch.device, level: OffloadLevel) -> None:
        self.device = device
        self.level: OffloadLevel = level
        # Weak, so that a model that its user drops is gone from the device too.
        self._home: WeakKeyDictionary[nn.Module, list[tuple[Store, str, Tensor]]]
        self._home = WeakKeyDictionary()
        self._streamed: WeakSet[nn.Module] = WeakSet()

    @contextmanager
    def __call__(self, model: nn.Module) -> Iterator[None]:
        """The model may be used on the device inside this context."""
        if self.level == "block" and streamed_part(model) is not None:
            self._stream(model)
            yield
            return
        self._enter(model)
        try:
            yield
        finally:
            if self.level != "none":
                self._leave(model)

    def lower(self) -> str | None:
        """Go one level down. Returns the sentence to say, None at the lowest level."""
        position = OFFLOAD_LEVELS.index(self.level) + 1
        if position == len(OFFLOAD_LEVELS):
            return self._tile()
        previous, self.level = self.level, OFFLOAD_LEVELS[position]
        for model in list(self._home):
            self._leave(model)
        return f"--offload {previous} ran out of memory: going on with --offload {self.level}"

    def _tile(self) -> str | None:
        if self.vae is None or self.vae.tiled:
            return None
        self.vae.tiled = True
        return "--offload block ran out of memory: going on with the VAE on tiles"

    def _enter(self, model: nn.Module) -> None:
        if model in self._home:
            return
        self._home[model] = home = []
        copies: dict[int, Tensor] = {}  # a tensor with two names moves once
        for store, name in _places(model):
            tensor = store[name]
            home.append((store, name, tensor))
            if id(tensor) not in copies:
                copies[id(tensor)] = _on(tensor, self.device)
            store[name] = copies[id(tensor)]

    def _leave(self, model: nn.Module) -> None:
        for store, name, tensor in self._home.pop(model, []):
            store[name] = tensor

    def _stream(self, model: nn.Module) -> None:
        if model not in self._streamed:
            stream_blocks(model, self.device)
            self._streamed.add(model)


def streamed_part(model: nn.Module) -> nn.Module | None:
    """The module whose list of blocks can be streamed: the S2V transformer itself, or the stack in
    UMT5's encoder; None for models that are used as a whole."""
    if isinstance(getattr(model, "blocks", None), nn.ModuleList):
        return model
    stack = getattr(model, "encoder", None)
    return stack if isinstance(getattr(stack, "block", None), nn.ModuleList) else None


def stream_blocks(model: nn.Module, device: torch.device) -> None:
    """Put diffusers' group offloading on the model: one block at a time on `device`.

    With streams, the next block is copied while one computes, from pinned memory: pinned once where
    main memory holds the model a second time, else block by block.
    """
    from diffusers.hooks import apply_group_offloading

    part = streamed_part(model)
    assert part is not None
    streams = device.type != "cpu" and hasattr(getattr(torch, device.type, None), "Stream")
    apply_group_offloading(
        part,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=streams,
        record_stream=streams,
        low_cpu_mem_usage=streams and not _may_pin(model),
    )


def retry_lower(
    attempt: Callable[[], Iterator[T]], lower: Callable[[], str | None], control: RunControl
) -> Iterator[T]:
    """The items of `attempt()`; where the device runs out of memory, the attempt is made again one
    level lower, said out loud, and goes on after the items that were already given.

    lower: see `Residence.lower`. Raises OutOfMemory at the lowest level. Attempts must give the
    same items every time.
    """
    given = 0
    while True:
        try:
            for item in islice(attempt(), given, None):
                yield item
                given += 1
            return
        except (OutOfMemory, torch.OutOfMemoryError) as err:
            sentence = lower()
            if sentence is None:
                raise _final(err) from err
        free_memory()
        control.emit(Notice(sentence))


def free_memory() -> None:
    """Give cached device memory back: what a failed attempt held is in its traceback until now."""
    gc.collect()
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is not None:
        getattr(torch, accelerator.type).empty_cache()


def _final(err: Exception) -> OutOfMemory:
    if isinstance(err, OutOfMemory):
        return err
    return OutOfMemory(
        f"the device ran out of memory at the lowest offload level: {err}",
        hint="take a smaller --size or fewer --chunk-frames; soundreel plan shows what fits",
    )


def _places(model: nn.Module) -> Iterator[tuple[Store, str]]:
    """Where the model's tensors are held: a module's table of parameters or buffers, and a name."""
    for module in model.modules():
        for store in (cast(Store, module._parameters), cast(Store, module._buffers)):
            yield from ((store, name) for name, tensor in store.items() if tensor is not None)


def _on(tensor: Tensor, device: torch.device) -> Tensor:
    moved = tensor.detach().to(device)
    return nn.Parameter(moved, requires_grad=False) if isinstance(tensor, nn.Parameter) else moved


def _may_pin(model: nn.Module) -> bool:
    import psutil

    size = sum(store[name].nbytes for store, name in _places(model))
    return bool(psutil.virtual_memory().available > _PIN_FACTOR * size)
