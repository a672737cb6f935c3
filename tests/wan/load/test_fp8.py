"""8-bit weights stay 8-bit and give what the dequantised weights give."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from soundreel.engines.wan.load.fp8 import FP8_DTYPES, Fp8, dequantise
from soundreel.engines.wan.load.mapped import empty_model, fill, read_state
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.load.reading import split_quantised
from soundreel.engines.wan.model.layers import FP32Linear
from soundreel.errors import InputError

CPU = torch.device("cpu")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.table = nn.Embedding(4, 8)
        self.last = FP32Linear(32, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.nn.functional.gelu(self.first(x)))
        return out


def quantised(weight: Tensor, dtype: torch.dtype = torch.float8_e4m3fn) -> tuple[Tensor, Tensor]:
    scale = weight.abs().max() / torch.finfo(dtype).max
    return (weight / scale).to(dtype), scale


def fp8_state(scale_name: str = "scale_weight", shape: tuple[int, ...] = ()) -> dict[str, Tensor]:
    torch.manual_seed(0)
    net = Net()
    state = dict(net.state_dict())
    for layer in ("first", "last"):
        state[f"{layer}.weight"], scale = quantised(state[f"{layer}.weight"])
        state[f"{layer}.{scale_name}"] = scale.reshape(shape)
        state[f"{layer}.scale_input"] = torch.ones(())
    state["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
    return state


def filled(state: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> nn.Module:
    net = empty_model(Net)
    contents = split_quantised(state)
    fill(net, contents.weights, contents.quantised, device=CPU, dtype=dtype)
    return net


@pytest.mark.parametrize(
    ("scale_name", "shape"), [("scale_weight", ()), ("weight_scale", ()), ("scale_weight", (1,))]
)
def test_scaled_weights_equal_dequantised_ones(scale_name: str, shape: tuple[int, ...]) -> None:
    state = fp8_state(scale_name, shape)
    plain = Net()
    wide = {name: state[name] for name in plain.state_dict()}
    for layer in ("first", "last"):
        scale = state[f"{layer}.{scale_name}"].reshape(())
        wide[f"{layer}.weight"] = wide[f"{layer}.weight"].float() * scale
    plain.load_state_dict(wide)
    net = filled(state)
    x = torch.randn(3, 16)
    assert isinstance(net.get_submodule("first"), QuantisedLinear)
    assert torch.equal(net(x), plain(x))


def test_weights_stay_eight_bit_in_memory() -> None:
    net = filled(fp8_state(), torch.bfloat16)
    assert net.get_parameter("first.weight").dtype == torch.int8
    assert net.get_parameter("first.weight").element_size() == 1
    assert net.get_parameter("first.bias").dtype == torch.bfloat16
    assert net.get_buffer("first.scale").dtype == torch.float32


def test_casting_the_model_leaves_eight_bit_weights_alone() -> None:
    net = filled(fp8_state())
    x = torch.randn(3, 16)
    expected = net(x)
    assert torch.equal(
        net.to(torch.bfloat16).to(torch.float32).get_parameter("first.weight"),
        filled(fp8_state()).get_parameter("first.weight"),
    )
    assert torch.allclose(net(x), expected, atol=1e-2)


def test_layer_that_computes_in_float32_goes_on_doing_so() -> None:
    net = filled(fp8_state(), torch.bfloat16)
    assert net(torch.randn(3, 16, dtype=torch.bfloat16)).dtype == torch.float32


def test_it_compiles_in_one_graph() -> None:
    net = filled(fp8_state())
    x = torch.randn(3, 16)
    assert torch.equal(torch.compile(net, backend="eager", fullgraph=True)(x), net(x))


def test_each_tensors_own_dtype_decides() -> None:
    state = fp8_state()
    state["first.weight"] = torch.randn(32, 16, dtype=torch.float16)
    del state["first.scale_weight"]
    net = filled(state)
    assert type(net.get_submodule("first")) is nn.Linear
    assert isinstance(net.get_submodule("last"), QuantisedLinear)


def test_eight_bit_embedding_is_widened() -> None:
    state = fp8_state()
    weight, scale = quantised(state["table.weight"])
    wide = state["table.weight"]
    state |= {"table.weight": weight, "table.scale_weight": scale}
    table = filled(state).get_parameter("table.weight")
    assert table.dtype == torch.float32
    assert torch.allclose(table, wide, atol=0.1)


def test_e5m2_weights_load() -> None:
    state = fp8_state()
    wide = torch.randn(8, 32)
    state["last.weight"], state["last.scale_weight"] = quantised(wide, torch.float8_e5m2)
    net = filled(state)
    assert net.get_submodule("last").scheme == Fp8(torch.float8_e5m2)
    x = torch.randn(3, 32)
    restored = state["last.weight"].float() * state["last.scale_weight"]
    assert torch.allclose(net.get_submodule("last")(x), x @ restored.T, atol=1e-5)


def test_a_scale_a_row_is_applied_to_rows() -> None:
    weight = torch.ones(2, 3).to(torch.float8_e4m3fn)
    rows = dequantise(weight, torch.tensor([[2.0], [3.0]]), torch.float32)
    assert rows.tolist() == [[2.0] * 3, [3.0] * 3]


def test_the_scale_is_not_rounded_to_the_compute_dtype() -> None:
    weight, scale = torch.full((1, 1), 3.0).to(torch.float8_e4m3fn), torch.tensor(1.00293)
    assert dequantise(weight, scale, torch.bfloat16).item() == torch.tensor(3.00879).bfloat16()


@pytest.mark.parametrize("stored", FP8_DTYPES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_every_8_bit_float_is_one_of_the_dtypes_that_compute(
    stored: torch.dtype, dtype: torch.dtype
) -> None:
    every = torch.arange(256, dtype=torch.uint8).view(stored)
    assert torch.equal(every.to(dtype).float().nan_to_num(7e5), every.float().nan_to_num(7e5))


@pytest.mark.parametrize("shape", [(), (1,), (32, 1)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_weight_is_rounded_once(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    weight, scale = torch.randn(32, 64).to(torch.float8_e4m3fn), torch.rand(shape) + 0.5
    exact = weight.double() * scale.double()
    assert torch.equal(dequantise(weight, scale, dtype), exact.float().to(dtype))


def test_a_layer_with_a_scale_a_row_loads_and_multiplies() -> None:
    state = fp8_state()
    rows = torch.rand(32, 1) + 0.5
    state["first.scale_weight"] = rows
    layer = filled(state).get_submodule("first")
    x = torch.randn(3, 16)
    expected = torch.nn.functional.linear(
        x, state["first.weight"].float() * rows, state["first.bias"]
    )
    assert torch.equal(layer(x), expected)


def test_missing_scale_is_an_error() -> None:
    state = fp8_state()
    del state["last.scale_weight"]
    with pytest.raises(InputError, match=r"1 quantised weights have no scale, first: last"):
        filled(state)


def test_missing_unknown_and_misshapen_tensors_are_listed() -> None:
    state = dict(Net().state_dict())
    del state["last.weight"]
    state["extra.weight"] = torch.zeros(1)
    state["first.bias"] = torch.zeros(5)
    with pytest.raises(InputError, match="3 differences") as caught:
        filled(state)
    for part in ("last.weight is missing", "extra.weight is unknown", "first.bias is (5,), not"):
        assert part in caught.value.message


def test_weights_are_the_files_own_pages(tmp_path: Path) -> None:
    """A mapped file stays the only copy: the module's tensors point into the mapping."""
    save_file(fp8_state(), tmp_path / "x.safetensors")
    state = read_state([tmp_path / "x.safetensors"])
    net = filled(state)
    for name in ("first.weight", "first.bias", "last.weight"):
        assert net.get_parameter(name).data_ptr() == state[name].data_ptr()


def test_pickles_and_shards_read_alike(tmp_path: Path) -> None:
    state = dict(Net().state_dict())
    torch.save(state, tmp_path / "x.pth")
    save_file({"first.weight": state["first.weight"]}, tmp_path / "a.safetensors")
    rest = {name: tensor for name, tensor in state.items() if name != "first.weight"}
    save_file(rest, tmp_path / "b.safetensors")
    pickled = read_state([tmp_path / "x.pth"])
    sharded = read_state([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
    assert set(pickled) == set(sharded) == set(state)
    assert all(torch.equal(pickled[name], sharded[name]) for name in state)
