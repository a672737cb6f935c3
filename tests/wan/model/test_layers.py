"""Products in float32 on a CPU: by the quicker library, and the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan.model import layers
from soundreel.engines.wan.model.layers import FP32Linear, Linear, product


@pytest.fixture
def by_onednn(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether `product` went another way than torch's own."""
    if not layers._has_wide_onednn():
        pytest.skip("a CPU with AVX-512 and a torch with oneDNN are needed")
    own: list[int] = []

    def linear(*args: Tensor) -> Tensor:
        own.append(1)
        return F.linear(*args)

    monkeypatch.setattr(layers, "F", type("F", (), {"linear": staticmethod(linear)}))
    return lambda: not own


def _numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("bias", [None, _numbers(160)])
def test_onednns_products_are_torchs_to_rounding(
    by_onednn: Callable[[], bool], bias: Tensor | None
) -> None:
    inputs, weight = _numbers(2, 300, 384)[:, 17:251], _numbers(160, 384)
    exact = F.linear(inputs.double(), weight.double(), None if bias is None else bias.double())
    with torch.no_grad():
        given = product(inputs, weight, bias)
    assert by_onednn()
    assert given.dtype == torch.float32
    assert (given - exact).norm() <= 1e-6 * exact.norm()


def test_layers_in_float32_take_it_whatever_they_hold(by_onednn: Callable[[], bool]) -> None:
    layer = FP32Linear(256, 128, dtype=torch.bfloat16).requires_grad_(False)
    with torch.no_grad():
        given = layer(_numbers(3, 256).bfloat16())
    assert by_onednn()
    assert given.dtype == torch.float32


@pytest.mark.parametrize(
    ("size", "dtype"), [(256, torch.bfloat16), (256, torch.float64), (48, torch.float32)]
)
def test_other_numbers_and_small_weights_go_torchs_way(
    by_onednn: Callable[[], bool], size: int, dtype: torch.dtype
) -> None:
    with torch.no_grad():
        Linear(size, size, dtype=dtype)(_numbers(3, size).to(dtype))
    assert not by_onednn()


def test_gradients_flow(by_onednn: Callable[[], bool]) -> None:
    layer = Linear(256, 256)
    layer(_numbers(3, 256)).sum().backward()
    assert not by_onednn()
    assert layer.weight.grad is not None


def test_shapes_are_known_without_data(by_onednn: Callable[[], bool]) -> None:
    with torch.no_grad():
        assert Linear(256, 128, device="meta")(torch.empty(2, 9, 256, device="meta")).shape == (
            *(2, 9, 128),
        )
    assert not by_onednn()
