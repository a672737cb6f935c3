"""Blocks that work in pieces give what blocks that work on the whole give."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from soundreel.engines.wan.load.mapped import fill
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.load.reading import split_quantised
from soundreel.engines.wan.model import blocks, pieces
from soundreel.engines.wan.model.attention import (
    WanS2VAttnProcessor,
    rotations,
    turned_as_complex,
    turned_as_reals,
)
from soundreel.engines.wan.model.rope import rotary_table
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from wan.model.test_transformer import SIZE, inputs, make_model, noise

NOISY = SIZE[0] * SIZE[1] * SIZE[2] // 4


def forward(model: WanS2VTransformer3DModel) -> Tensor:
    conditioning = model.prepare(**inputs())
    sample: Tensor = model(noise(1, 16, *SIZE, seed=9), torch.tensor(500), conditioning).sample
    return sample


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [7, NOISY, NOISY + 3])
def test_pieces_of_any_size_give_what_the_whole_gives(
    dtype: torch.dtype, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of a product may be taken in another order where a matrix has another height, no more.
    In bf16 that is rounded away, or now and then to the neighbouring number."""
    model = make_model(dtype)
    with torch.no_grad():
        whole = forward(model)
        monkeypatch.setattr(pieces, "PIECE", size)
        monkeypatch.setattr(blocks, "INJECTED", size)
        difference = forward(model) - whole
    bound = 2.1e-6 if dtype == torch.float32 else 2e-3
    assert float(difference.norm() / whole.norm()) <= bound


def test_recording_gradients_changes_no_number() -> None:
    model = make_model()
    with torch.no_grad():
        written_over = forward(model)
    with torch.enable_grad():
        torch.testing.assert_close(forward(model), written_over, rtol=0, atol=2.1e-6)


def test_a_block_does_not_write_over_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that compares what goes into blocks with what comes out relies on it."""
    monkeypatch.setattr(pieces, "PIECE", 11)
    model = make_model()
    seen: list[tuple[Tensor, Tensor]] = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda m, i: seen.append((i[0], i[0].clone())))
    with torch.no_grad():
        forward(model)
    assert len(seen) == len(model.blocks)
    assert all(torch.equal(given, before) for given, before in seen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [7, NOISY + 3, 10**6])
def test_queries_in_slices_give_what_all_at_once_give(
    dtype: torch.dtype, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", size)
    model = make_model(dtype)
    queries: list[int] = []
    with torch.no_grad():
        whole = forward(model)
        model.attend_in_slices()
        attend = WanS2VAttnProcessor.attend

        def noted(
            self: WanS2VAttnProcessor, query: Tensor, key: Tensor, value: Tensor, mask: None = None
        ) -> Tensor:
            queries.extend([query.shape[1]] if key.shape[1] > NOISY else [])
            return attend(self, query, key, value, mask)

        monkeypatch.setattr(WanS2VAttnProcessor, "attend", noted)
        torch.testing.assert_close(forward(model), whole, rtol=0, atol=1e-6)
    assert 0 < max(queries) <= size


def test_a_block_in_slices_needs_no_second_copy_of_the_tokens() -> None:
    model = make_model()
    model.attend_in_slices()
    given: list[Tensor] = []
    for block in model.blocks:
        block.register_forward_hook(lambda m, i, o: given.extend([i[0], o]))
    with torch.no_grad():
        first = forward(model)
        assert len({tensor.data_ptr() for tensor in given}) == 1
        assert torch.equal(forward(model), first), "what comes before the blocks is left alone"
    with torch.enable_grad():
        torch.testing.assert_close(forward(model), first, rtol=0, atol=2.1e-6)


def test_eight_bit_weights_are_restored_once_for_all_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make_model()
    state = {
        f"{name}.weight": module.weight.to(torch.float8_e4m3fn)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and ".ffn" in name
    }
    contents = split_quantised({**model.state_dict(), **state})
    fill(
        model, contents.weights, contents.quantised, device=torch.device("cpu"), dtype=torch.float32
    )
    asked: list[QuantisedLinear] = []
    restored = QuantisedLinear.restored

    def noted(layer: QuantisedLinear, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        asked.append(layer)
        return restored(layer, dtype)

    monkeypatch.setattr(QuantisedLinear, "restored", noted)
    with torch.no_grad():
        whole = forward(model)
        asked.clear()
        monkeypatch.setattr(pieces, "PIECE", 11)
        parts = forward(model)
    assert len(asked) == 2 * len(model.blocks)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("turned_as", [turned_as_complex, turned_as_reals])
@pytest.mark.parametrize("recording", [False, True])
def test_pairs_are_turned_by_their_angles(
    turned_as: Callable[[Tensor, Tensor], Tensor], recording: bool
) -> None:
    """Beside the same in float64 on pairs, from the angles' definition."""
    torch.manual_seed(3)
    cosine, sine = rotary_table(2, 8, 10, 24, reference=True, motion=True)
    x = torch.randn(1, cosine.shape[0], 3, 24)
    even, odd = x.double()[..., 0::2], x.double()[..., 1::2]
    c, s = (table.double()[:, None] for table in (cosine, sine))
    expected = torch.stack([even * c - odd * s, even * s + odd * c], dim=-1).flatten(3)
    with torch.set_grad_enabled(recording):
        turned = turned_as(x.clone(), rotations((cosine, sine)))
    torch.testing.assert_close(turned.double(), expected, rtol=0, atol=1e-6)


def test_pieces_cover_all_tokens_and_spans_know_the_border() -> None:
    with torch.no_grad():
        assert pieces.pieces_of(20, 8) == [slice(0, 8), slice(8, 16), slice(16, 20)]
    with torch.enable_grad():
        assert pieces.pieces_of(20, 8) == [slice(0, 20)]
    assert pieces.spans_of(slice(0, 8), 20) == [(slice(0, 8), 0)]
    assert pieces.spans_of(slice(8, 16), 10) == [(slice(0, 2), 0), (slice(2, 8), 1)]
    assert pieces.spans_of(slice(16, 20), 10) == [(slice(0, 4), 1)]
