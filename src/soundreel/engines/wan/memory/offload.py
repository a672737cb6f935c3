"""Where models are while they are used and while they wait: `--offload none|model|block`.

Weights stay in main memory as they were mapped from their files; a device gets copies, and letting
go of them costs nothing: nothing is ever copied back. Levels, from fast to frugal:

    none    a model stays on the device from its first use on
    model   a model is on the device while it is used
    block   as model, but of the transformer's and the text encoder's blocks only one is on the
            device while it is used, and the next one on its way (`stream`)

Below that there is one more step: the VAE on its smallest tiles, and self-attention in slices.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from soundreel.engines.wan.encoders.tiles import FINEST, Tiling
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel
from soundreel.engines.wan.memory.stream import BlockStream, Store, has_streams, tensor_places
from soundreel.errors import OutOfMemory, mention
from soundreel.events import Notice, RunControl

T = TypeVar("T")


class Tiled(Protocol):
    """A model that can work on tiles."""

    tiling: Tiling


class Sliceable(Protocol):
    """A model that can attend in slices."""

    def attend_in_slices(self) -> None: ...


class Residence:
    """Moves models between main memory and `device`, at a level that can be lowered.

    Use it as `Components.resident`. Models come in with their weights in main memory.
    vae, transformer: work on the smallest tiles and in slices where the lowest level is not low
        enough; whoever loads them sets them. in_slices: whether the transformer is to begin so.
    """

    vae: Tiled | None = None
    transformer: Sliceable | None = None

    def __init__(
        self, device: torch.device, level: OffloadLevel, *, in_slices: bool = False
    ) -> None:
        self.device = device
        self.level: OffloadLevel = level
        self.in_slices = in_slices
        # Weak, so that a model that its user drops is gone from the device too.
        self._home: WeakKeyDictionary[nn.Module, list[tuple[Store, str, Tensor]]]
        self._home = WeakKeyDictionary()

    @property
    def resting(self) -> torch.device:
        """Where that lies which is used again later: on the device at level none only."""
        return self.device if self.level == "none" else torch.device("cpu")

    @contextmanager
    def __call__(self, model: nn.Module) -> Iterator[None]:
        """The model may be used on the device inside this context."""
        blocks = streamed_blocks(model) if self.level == "block" else ()
        self._enter(model, blocks)
        try:
            with BlockStream(blocks, self.device) if blocks else nullcontext():
                yield
        finally:
            if self.level != "none":
                self._leave(model)
                empty_caches()

    @contextmanager
    def visit(self, model: nn.Module) -> Iterator[None]:
        """As calling it, but the model leaves the device at every level: for one that must never
        lie there beside another."""
        try:
            with self(model):
                yield
        finally:
            self._leave(model)
            empty_caches()

    def lower(self) -> str | None:
        """Go one level down. Returns the sentence to say, None at the lowest level."""
        position = OFFLOAD_LEVELS.index(self.level) + 1
        if position == len(OFFLOAD_LEVELS):
            return self._in_parts()
        previous, self.level = self.level, OFFLOAD_LEVELS[position]
        for model in list(self._home):
            self._leave(model)
        return (
            f"{mention(offload=previous)} ran out of memory: going on with "
            f"{mention(offload=self.level)}"
        )

    def _in_parts(self) -> str | None:
        steps = []
        if self.vae is not None and self.vae.tiling != FINEST:
            self.vae.tiling = FINEST
            steps.append("the VAE on small tiles")
        if self.transformer is not None and not self.in_slices:
            self.in_slices = True
            self.transformer.attend_in_slices()
            steps.append("attention in slices")
        if not steps:
            return None
        said = " and ".join(steps)
        return f"{mention(offload='block')} ran out of memory: going on with {said}"

    def _enter(self, model: nn.Module, left_out: Iterable[nn.Module]) -> None:
        if model in self._home:
            return
        self._home[model] = home = []
        streamed = {id(store) for block in left_out for store, _ in tensor_places(block)}
        copies: dict[int, Tensor] = {}  # a tensor with two names moves once
        for store, name in tensor_places(model):
            if id(store) in streamed:
                continue
            tensor = store[name]
            home.append((store, name, tensor))
            if id(tensor) not in copies:
                copies[id(tensor)] = _on(tensor, self.device)
            store[name] = copies[id(tensor)]

    def _leave(self, model: nn.Module) -> None:
        for store, name, tensor in self._home.pop(model, []):
            store[name] = tensor


def streamed_blocks(model: nn.Module) -> Sequence[nn.Module]:
    """The blocks that can be streamed: those of the S2V transformer, or of the stack in UMT5's
    encoder; none in models that are used as a whole."""
    holder = getattr(model, "encoder", model)
    for name in ("blocks", "block"):
        blocks = getattr(holder, name, None)
        if isinstance(blocks, nn.ModuleList):
            return list(blocks)
    return ()


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


@contextmanager
def memory_errors() -> Iterator[None]:
    """A device that ran out of memory is said to have done so."""
    try:
        yield
    except RuntimeError as err:
        if not isinstance(err, torch.OutOfMemoryError) and "out of memory" not in str(err).lower():
            raise
        raise OutOfMemory(
            f"the device ran out of memory: {str(err).splitlines()[0]}",
            hint=f"try {mention(offload='block')}, a smaller size or fewer "
            f"{mention('chunk_frames')}",
        ) from err


def free_memory() -> None:
    """Give cached memory back, of the device and page-locked: what a failed attempt held is in its
    traceback until now."""
    gc.collect()
    empty_caches()


def empty_caches() -> None:
    """Give back what torch keeps of memory that nobody uses any more: what one model leaves does
    not fit the next one."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is not None:
        getattr(torch, accelerator.type).empty_cache()
        if has_streams(accelerator):
            torch.accelerator.empty_host_cache()


def _final(err: Exception) -> OutOfMemory:
    if isinstance(err, OutOfMemory):
        return err
    return OutOfMemory(
        f"the device ran out of memory at the lowest offload level: {err}",
        hint=f"take a smaller size or fewer {mention('chunk_frames')}; "
        "soundreel plan shows what fits",
    )


def _on(tensor: Tensor, device: torch.device) -> Tensor:
    moved = tensor.detach().to(device)
    return nn.Parameter(moved, requires_grad=False) if isinstance(tensor, nn.Parameter) else moved
