"""A model's blocks on the device one after the other: two buffers there, the next one on its way.

    before block i   wait until its copy has arrived; its tensors are now views of a buffer
    after block i    its buffer may be written again; block i + 1 is sent into the other one

Weights stay mapped from their files in main memory. On the way to a card they pass through two
page-locked buffers of a block's size, which is all the memory that is locked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Store = dict[str, Tensor]
"""A module's table of parameters or of buffers."""

_ALIGNMENT = 256  # bytes; what CUDA's allocator aligns to


class Copies(Protocol):
    """Copies into two slots on a device, beside what is computed there. Slots are 0 and 1."""

    def staging(self, buffer: Tensor) -> Tensor:
        """uint8, as long as a slot's `buffer`: where a block is put together on its way there. The
        buffer itself where that is as quick."""
        ...

    def send(self, slot: int, target: Tensor, source: Tensor) -> None:
        """Start a copy, once all that was computed with the slot until `release` is done."""
        ...

    def wait_sent(self, slot: int) -> None:
        """Until the source of the slot's copy may be written again."""
        ...

    def wait_arrived(self, slot: int) -> None:
        """Whatever is computed from now on finds the copy there."""
        ...

    def release(self, slot: int) -> None:
        """What has been computed until now was the last that needs the slot's content."""
        ...


class DirectCopies:
    """Copies in line with the computing, for devices without streams: straight into the buffers,
    since a place between would be of no use, and on such devices lies in the same memory."""

    def __init__(self, device: torch.device) -> None:
        del device

    def staging(self, buffer: Tensor) -> Tensor:
        return buffer

    def send(self, slot: int, target: Tensor, source: Tensor) -> None:
        pass

    def wait_sent(self, slot: int) -> None:
        pass

    def wait_arrived(self, slot: int) -> None:
        pass

    def release(self, slot: int) -> None:
        pass


class StreamedCopies:
    """Copies on a stream of their own, from page-locked memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.Stream(device)
        self._arrived = [torch.Event(device) for _ in range(2)]
        self._free = [torch.Event(device) for _ in range(2)]

    def staging(self, buffer: Tensor) -> Tensor:
        return torch.empty(len(buffer), dtype=torch.uint8, pin_memory=True)

    def send(self, slot: int, target: Tensor, source: Tensor) -> None:
        self._stream.wait_event(self._free[slot])
        with self._stream:
            target.copy_(source, non_blocking=True)
        self._arrived[slot].record(self._stream)

    def wait_sent(self, slot: int) -> None:
        self._arrived[slot].synchronize()

    def wait_arrived(self, slot: int) -> None:
        torch.accelerator.current_stream(self._device).wait_event(self._arrived[slot])

    def release(self, slot: int) -> None:
        self._free[slot].record(torch.accelerator.current_stream(self._device))


def has_streams(device: torch.device) -> bool:
    """Whether copies can run beside computing, from page-locked memory."""
    return device.type in ("cuda", "xpu")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A tensor of a block: where it is held, as it lies in main memory, and its first byte."""

    store: Store
    name: str
    tensor: Tensor
    start: int

    @property
    def end(self) -> int:
        return self.start + self.tensor.nbytes

    def view_in(self, buffer: Tensor) -> Tensor:
        view = buffer[self.start : self.end].view(self.tensor.dtype).view(self.tensor.shape)
        is_parameter = isinstance(self.tensor, nn.Parameter)
        return nn.Parameter(view, requires_grad=False) if is_parameter else view


class BlockStream:
    """Brings each of `blocks`, used in their order, to the device for as long as it computes.

    A context manager: on exit the blocks hold their tensors in main memory again, and the buffers
    are gone. A tensor that two blocks share is not for this.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], device: torch.device, copies: Copies | None = None
    ) -> None:
        self._device = device
        self._copies = copies or (StreamedCopies if has_streams(device) else DirectCopies)(device)
        self._blocks = [list(_pieces(block)) for block in blocks]
        self._size = max((pieces[-1].end for pieces in self._blocks if pieces), default=0)
        self._modules = list(blocks)
        self._hooks: list[RemovableHandle] = []
        self._sent: tuple[int, int] | None = None  # the block on its way, and its slot

    def __enter__(self) -> None:
        self._buffers = [
            torch.empty(self._size, dtype=torch.uint8, device=self._device) for _ in range(2)
        ]
        self._staging = [self._copies.staging(buffer) for buffer in self._buffers]
        for slot in range(2):
            self._copies.release(slot)
        for index, block in enumerate(self._modules):
            self._hooks += [
                block.register_forward_pre_hook(lambda *_, index=index: self._arrive(index)),
                block.register_forward_hook(lambda *_, index=index: self._leave(index)),
            ]
        self._send(0, 0)

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        if self._sent is not None:  # memory must not be given back under a copy
            self._copies.wait_sent(self._sent[1])
        self._sent = None
        for index in range(len(self._blocks)):
            self._restore(index)
        del self._staging, self._buffers

    def _arrive(self, index: int) -> None:
        assert self._sent is not None
        expected, slot = self._sent
        if index != expected:  # after a pass that broke off
            self._restore(expected)
            self._copies.wait_arrived(slot)
            self._copies.release(slot)
            self._send(index, slot)
        self._copies.wait_arrived(slot)
        for piece in self._blocks[index]:
            piece.store[piece.name] = piece.view_in(self._buffers[slot])

    def _leave(self, index: int) -> None:
        assert self._sent is not None
        slot = self._sent[1]
        self._copies.release(slot)
        self._restore(index)
        self._send((index + 1) % len(self._blocks), 1 - slot)

    def _send(self, index: int, slot: int) -> None:
        self._copies.wait_sent(slot)
        pieces, staging = self._blocks[index], self._staging[slot]
        for piece in pieces:
            staging[piece.start : piece.end].copy_(_bytes(piece.tensor))
        end = pieces[-1].end if pieces else 0
        self._copies.send(slot, self._buffers[slot][:end], staging[:end])
        self._sent = index, slot

    def _restore(self, index: int) -> None:
        for piece in self._blocks[index]:
            piece.store[piece.name] = piece.tensor


def tensor_places(model: nn.Module) -> Iterator[tuple[Store, str]]:
    """Where the model's tensors are held: a table and a name in it."""
    for module in model.modules():
        for store in (cast(Store, module._parameters), cast(Store, module._buffers)):
            yield from ((store, name) for name, tensor in store.items() if tensor is not None)


def _pieces(block: nn.Module) -> Iterator[_Piece]:
    start = 0
    for store, name in tensor_places(block):
        piece = _Piece(store, name, store[name], start)
        yield piece
        start = -(-piece.end // _ALIGNMENT) * _ALIGNMENT


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().view(-1).view(torch.uint8)
