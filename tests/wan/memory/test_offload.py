"""Models move in and out of a device without copies; a job outlives running out of memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from weakref import ref

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from soundreel.engines.wan.encoders.tiles import FINEST, WHOLE
from soundreel.engines.wan.memory.needs import OFFLOAD_LEVELS, OffloadLevel
from soundreel.engines.wan.memory.offload import Residence, retry_lower, streamed_blocks
from soundreel.errors import OutOfMemory, mention
from soundreel.events import Event, Notice, RunControl

META = torch.device("meta")  # a device of its own that every machine has
CPU = torch.device("cpu")


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.out = nn.Linear(4, 4)
        self.register_buffer("table", torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.out(x) * self.table


def devices(model: nn.Module) -> set[str]:
    return {t.device.type for t in (*model.parameters(), *model.buffers())}


def test_none_leaves_a_model_on_the_device() -> None:
    residence, model = Residence(META, "none"), Blocks()
    with residence(model):
        assert devices(model) == {"meta"}
    assert devices(model) == {"meta"}


def test_model_level_gives_the_very_same_memory_back() -> None:
    residence, model = Residence(META, "model"), Blocks()
    before = [tensor.data_ptr() for tensor in model.parameters()]
    with residence(model):
        assert devices(model) == {"meta"}
    assert devices(model) == {"cpu"}
    assert [tensor.data_ptr() for tensor in model.parameters()] == before


def test_a_dropped_model_leaves_the_device() -> None:
    residence, model = Residence(META, "none"), Blocks()
    with residence(model):
        copy = ref(model.out.weight)
    del model
    gc.collect()
    assert copy() is None


def test_a_tied_tensor_moves_once() -> None:
    model = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    model[1].weight = model[0].weight
    with Residence(META, "model")(model):
        assert model[0].weight is model[1].weight


def test_model_level_lets_go_after_an_error() -> None:
    residence, model = Residence(META, "model"), Blocks()
    with pytest.raises(ZeroDivisionError), residence(model):
        _ = 1 / 0
    assert devices(model) == {"cpu"}


def test_block_level_equals_no_offloading() -> None:
    model, x = Blocks().eval(), torch.randn(2, 4)
    with torch.no_grad():
        expected = model(x)
        with Residence(CPU, "block")(model):
            assert torch.equal(model(x), expected)


def test_block_level_holds_two_blocks_and_the_rest_and_gives_all_back() -> None:
    residence, model = Residence(META, "block"), Blocks()
    before = [tensor.data_ptr() for tensor in model.parameters()]
    for _ in range(2):
        with residence(model):
            assert devices(model.out) == {"meta"}
            assert devices(model.blocks) == {"cpu"}
            model(torch.zeros(1, 4, device=META))
    assert devices(model) == {"cpu"}
    assert [tensor.data_ptr() for tensor in model.parameters()] == before


def test_the_text_encoder_is_streamed_by_its_stack() -> None:
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(d_model=16, d_ff=32, d_kv=8, num_heads=2, num_layers=3, vocab_size=20)
    model = UMT5EncoderModel(config).train(False)
    tokens = torch.tensor([[3, 4, 1]])
    with torch.no_grad():
        expected = model(tokens).last_hidden_state
        with Residence(CPU, "block")(model):
            assert torch.equal(model(tokens).last_hidden_state, expected)
    assert list(streamed_blocks(model)) == list(model.encoder.block)


def test_a_model_without_blocks_moves_as_a_whole_at_block_level() -> None:
    residence, model = Residence(META, "block"), nn.Linear(2, 2)
    with residence(model):
        assert devices(model) == {"meta"}
    assert devices(model) == {"cpu"}


@pytest.mark.parametrize("level", OFFLOAD_LEVELS)
def test_lowering_goes_down_one_level_and_ends(level: OffloadLevel) -> None:
    residence = Residence(META, level)
    model = nn.Linear(2, 2)
    with residence(model):
        pass
    sentence = residence.lower()
    if level == "block":
        assert sentence is None
    else:
        assert residence.level == OFFLOAD_LEVELS[OFFLOAD_LEVELS.index(level) + 1]
        assert sentence is not None
        assert mention(offload=residence.level) in sentence
        assert devices(model) == {"cpu"}


def test_below_the_lowest_level_the_vae_works_on_tiles() -> None:
    residence = Residence(CPU, "block")
    residence.vae = SimpleNamespace(tiling=WHOLE)
    assert residence.lower() == (
        "`offload='block'` ran out of memory: going on with the VAE on small tiles"
    )
    assert residence.vae.tiling == FINEST
    assert residence.lower() is None


def test_and_the_transformer_attends_in_slices() -> None:
    residence, asked = Residence(CPU, "block"), list[str]()
    residence.transformer = SimpleNamespace(attend_in_slices=lambda: asked.append("slices"))
    assert residence.lower() == (
        "`offload='block'` ran out of memory: going on with attention in slices"
    )
    assert asked == ["slices"]
    assert residence.in_slices, "so that one that is loaded later begins so"
    assert residence.lower() is None


# --- out of memory in mid-job -----------------------------------------------------------------


class Card(Residence):
    """A device that holds a tensor of `room` numbers at level none, ten times that below."""

    def render(self, room: int) -> Iterator[int]:
        for index in range(4):
            if index * 10 > room * (1 if self.level == "none" else 10):
                raise torch.OutOfMemoryError(f"tried to allocate {index * 10}")
            yield index


def collect(card: Card, room: int) -> tuple[list[int], list[str]]:
    events: list[Event] = []
    items = list(retry_lower(lambda: card.render(room), card.lower, RunControl(events.append)))
    return items, [event.message for event in events if isinstance(event, Notice)]


def test_the_chunk_is_made_again_one_level_lower_and_said_so() -> None:
    card = Card(CPU, "none")
    assert collect(card, 10) == (
        [0, 1, 2, 3],
        ["`offload='none'` ran out of memory: going on with `offload='model'`"],
    )
    assert card.level == "model"


def test_enough_memory_needs_no_retry() -> None:
    assert collect(Card(CPU, "none"), 100) == ([0, 1, 2, 3], [])


def test_out_of_memory_at_the_lowest_level_is_final() -> None:
    with pytest.raises(OutOfMemory, match="lowest offload level") as caught:
        collect(Card(CPU, "model"), 1)
    assert "size" in caught.value.hint


def test_other_errors_are_not_retried() -> None:
    def attempt() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(retry_lower(attempt, Residence(CPU, "none").lower, RunControl()))
