"""Blocks come to the device one by one: each is there when it computes, and only two ever are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from soundreel.engines.wan.memory.counting import count
from soundreel.engines.wan.memory.stream import BlockStream

CPU = torch.device("cpu")


class LateCopies:
    """A copy happens at the latest moment that is allowed, and its target holds NaN until then: so
    whatever is read too early, or written over too early, shows in the result."""

    def __init__(self) -> None:
        self.pending: dict[int, tuple[Tensor, Tensor]] = {}
        self.in_use: set[int] = set()
        self.being_read: set[int] = set()
        self.sent: list[int] = []
        self.buffers: list[Tensor] = []

    def staging(self, buffer: Tensor) -> Tensor:
        self.buffers.append(torch.full_like(buffer, 0xFF))
        return self.buffers[-1]

    def send(self, slot: int, target: Tensor, source: Tensor) -> None:
        assert slot not in self.in_use, "its content is still needed"
        assert slot not in self.being_read, "its last source was written over"
        target.fill_(0xFF)  # a NaN in every float format of torch
        self.pending[slot] = target, source
        self.in_use.add(slot)
        self.being_read.add(slot)
        self.sent.append(slot)

    def wait_sent(self, slot: int) -> None:
        self.wait_arrived(slot)
        self.being_read.discard(slot)

    def wait_arrived(self, slot: int) -> None:
        """The device waits; the program goes on, so the source may still be read."""
        if slot in self.pending:
            target, source = self.pending.pop(slot)
            target.copy_(source)

    def release(self, slot: int) -> None:
        assert slot not in self.pending
        self.in_use.discard(slot)


@pytest.fixture
def copies() -> LateCopies:
    return LateCopies()


def stack(depth: int) -> nn.Sequential:
    """Blocks of different sizes, with buffers and two dtypes."""
    torch.manual_seed(0)
    blocks = nn.Sequential()
    for index in range(depth):
        width = 8 + 4 * (index % 2)
        block = nn.Sequential(nn.Linear(8, width), nn.LayerNorm(width), nn.Linear(width, 8))
        block.register_buffer("table", torch.arange(3 + index, dtype=torch.int8))
        blocks.append(block)
    return blocks.requires_grad_(False)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_pass_after_pass_equals_blocks_that_stay(copies: LateCopies, depth: int) -> None:
    blocks = stack(depth)
    x = torch.randn(2, 8)
    expected = blocks(x)
    with BlockStream(list(blocks), CPU, copies):
        for _ in range(3):
            torch.testing.assert_close(blocks(x), expected, rtol=0, atol=0)
    torch.testing.assert_close(blocks(x), expected, rtol=0, atol=0)


def test_a_block_computes_from_a_buffer_and_waits_in_main_memory(copies: LateCopies) -> None:
    blocks = stack(3)
    at_home = [tensor.data_ptr() for tensor in blocks.parameters()]
    seen: list[bool] = []

    def look(block: nn.Module, *_: object) -> None:
        seen.append(any(tensor.data_ptr() in at_home for tensor in block.parameters()))
        others = [other for other in blocks if other is not block]
        assert all(p.data_ptr() in at_home for other in others for p in other.parameters())

    with BlockStream(list(blocks), CPU, copies):
        for block in blocks:
            block.register_forward_pre_hook(look)
        blocks(torch.randn(1, 8))
    assert seen == [False, False, False]
    assert [tensor.data_ptr() for tensor in blocks.parameters()] == at_home


def test_while_a_block_computes_the_next_one_goes_to_the_other_buffer(copies: LateCopies) -> None:
    blocks = stack(3)
    with BlockStream(list(blocks), CPU, copies):
        blocks(torch.randn(1, 8))
        blocks(torch.randn(1, 8))
    assert copies.sent == [0, 1, 0, 1, 0, 1, 0]


def test_a_broken_pass_can_be_made_again(copies: LateCopies) -> None:
    blocks = stack(4)
    x = torch.randn(1, 8)
    expected = blocks(x)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    with BlockStream(list(blocks), CPU, copies):
        hook = blocks.get_submodule("2.1").register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError):
            blocks(x)
        hook.remove()
        torch.testing.assert_close(blocks(x), expected, rtol=0, atol=0)


def test_locked_memory_is_two_blocks(copies: LateCopies) -> None:
    blocks = stack(6)
    largest = max(
        sum(tensor.nbytes for tensor in (*block.parameters(), *block.buffers())) for block in blocks
    )
    with BlockStream(list(blocks), CPU, copies):
        blocks(torch.randn(1, 8))
    assert sum(buffer.nbytes for buffer in copies.buffers) <= 2 * (largest + 16 * 256)


def test_buffers_are_gone_after_an_error() -> None:
    blocks = stack(2)
    stream = BlockStream(list(blocks), CPU)

    def work() -> Iterator[None]:
        with stream:
            yield
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(work())
    assert not hasattr(stream, "_buffers")
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in blocks)


def test_without_streams_two_blocks_are_all_that_is_held() -> None:
    """A place between would double what lies in memory that device and program share."""
    blocks, x = stack(6), torch.randn(2, 8)
    expected = blocks(x)
    largest = max(sum(t.nbytes for t in block.state_dict().values()) for block in blocks)

    def run() -> None:
        with BlockStream(list(blocks), CPU):
            torch.testing.assert_close(blocks(x), expected, rtol=0, atol=0)

    rounding = 2 * 256 * len(list(blocks[0].state_dict()))
    assert 2 * largest <= count(run).peak_bytes <= 2 * largest + rounding
