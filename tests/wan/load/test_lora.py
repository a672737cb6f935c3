"""LoRA files of every style change the layers they were made for, and say what they did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from soundreel.engines.wan.load.lora import (
    LoraLinear,
    LoraReport,
    LoraSpec,
    LowRank,
    apply_loras,
)
from soundreel.engines.wan.load.mapped import empty_model, fill
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.load.reading import split_quantised
from soundreel.engines.wan.memory.stream import BlockStream
from soundreel.engines.wan.model.layers import ready, restored
from soundreel.errors import InputError

CPU = torch.device("cpu")
DOWN, UP = torch.randn(4, 8), torch.randn(12, 4)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(8, 12)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        block = nn.Module()
        block.self_attn = Attention()
        block.ffn = nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8))
        self.blocks = nn.ModuleList([block])

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule("blocks.0.self_attn.q")(x)
        return out


ALIASES = {"blocks.0.attn1.to_q": "blocks.0.self_attn.q"}


def apply(model: nn.Module, *specs: LoraSpec) -> list[LoraReport]:
    return apply_loras(model, specs, aliases=ALIASES, dtype=torch.float32, device=CPU)


def write(path: Path, tensors: dict[str, Tensor]) -> LoraSpec:
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path)
    return LoraSpec(path)


PEFT = "base_model.model.blocks.0.self_attn.q.lora_"
STYLES = {
    "comfyui": ("diffusion_model.blocks.0.self_attn.q.lora_down.weight", ".lora_up.weight"),
    "kohya": ("lora_unet_blocks_0_self_attn_q.lora_down.weight", ".lora_up.weight"),
    "diffusers": ("transformer.blocks.0.attn1.to_q.lora_A.weight", ".lora_B.weight"),
    "peft": (
        "base_model.model.blocks.0.self_attn.q.lora_A.default.weight",
        ".lora_B.default.weight",
    ),
    "bare": ("blocks.0.self_attn.q.lora_A.weight", ".lora_B.weight"),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_key_style_adds_the_low_rank_product(tmp_path: Path, style: str) -> None:
    down_name, up_end = STYLES[style]
    up_name = down_name.split(".lora_")[0] + up_end
    net, x = Net(), torch.randn(3, 8)
    before = net(x)
    (report,) = apply(net, write(tmp_path / "x.safetensors", {down_name: DOWN, up_name: UP}))
    assert torch.allclose(net(x), before + x @ DOWN.T @ UP.T, atol=1e-5)
    assert (report.applied, report.unmatched) == (1, ())


def lightx2v(alpha: float | None = None) -> dict[str, Tensor]:
    layer = "diffusion_model.blocks.0.self_attn.q"
    state = {f"{layer}.lora_down.weight": DOWN, f"{layer}.lora_up.weight": UP}
    return state if alpha is None else state | {f"{layer}.alpha": torch.tensor(alpha).double()}


def test_alpha_and_strength_scale_it(tmp_path: Path) -> None:
    net, x = Net(), torch.randn(3, 8)
    before = net(x)
    spec = write(tmp_path / "x.safetensors", lightx2v(alpha=2.0))
    apply(net, LoraSpec(spec.path, 0.5))
    assert torch.allclose(net(x), before + 0.5 * 2 / 4 * (x @ DOWN.T @ UP.T), atol=1e-5)


def test_alpha_of_a_peft_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 2}))
    net, x = Net(), torch.randn(3, 8)
    before = net(x)
    apply(net, write(tmp_path / "adapter_model.safetensors", lightx2v()))
    assert torch.allclose(net(x), before + 0.5 * (x @ DOWN.T @ UP.T), atol=1e-5)


def test_several_loras_add_up(tmp_path: Path) -> None:
    net, x = Net(), torch.randn(3, 8)
    before = net(x)
    first = write(tmp_path / "a.safetensors", lightx2v())
    apply(net, first, LoraSpec(first.path, 0.5))
    assert torch.allclose(net(x), before + 1.5 * (x @ DOWN.T @ UP.T), atol=1e-4)


def test_eight_bit_weights_are_not_touched(tmp_path: Path) -> None:
    state = Net().state_dict()
    name = "blocks.0.self_attn.q"
    state[f"{name}.weight"] = state[f"{name}.weight"].to(torch.float8_e4m3fn)
    state[f"{name}.scale_weight"] = torch.tensor(0.5)
    net = empty_model(Net)
    contents = split_quantised(state)
    fill(net, contents.weights, contents.quantised, device=CPU, dtype=torch.float32)
    x = torch.randn(3, 8)
    before = net(x)
    apply(net, write(tmp_path / "x.safetensors", lightx2v()))
    wrapped = net.get_submodule(name)
    assert isinstance(wrapped, LoraLinear)
    assert isinstance(wrapped.base_layer, QuantisedLinear)
    assert wrapped.weight.element_size() == 1
    assert torch.allclose(net(x), before + x @ DOWN.T @ UP.T, atol=1e-5)


class OnActivations(nn.Module):
    """The layer as Hu et al. write it: the LoRAs act on what comes in."""

    def __init__(self, layer: LoraLinear, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight, self.bias = restored(layer.base_layer, dtype)
        self.loras = [lora for lora in layer.loras if isinstance(lora, LowRank)]

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight, self.bias)
        for lora in self.loras:
            y = y + F.linear(F.linear(x, lora.down), lora.up) * lora.scale
        return y


def scaled_net(dtype: torch.dtype, rows: bool) -> tuple[nn.Module, str]:
    """A net of 8-bit weights with one scale a layer or a row, and its layer's name."""
    torch.manual_seed(1)
    state, name = Net().state_dict(), "blocks.0.self_attn.q"
    state[f"{name}.weight"] = state[f"{name}.weight"].to(torch.float8_e4m3fn)
    state[f"{name}.scale_weight"] = torch.rand(12, 1) + 0.5 if rows else torch.tensor(0.7)
    net = empty_model(Net)
    contents = split_quantised(state)
    fill(net, contents.weights, contents.quantised, device=CPU, dtype=dtype)
    return net, name


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("eight_bit", [False, True])
def test_weights_with_loras_give_what_loras_on_activations_give(
    tmp_path: Path, dtype: torch.dtype, bound: float, rows: bool, eight_bit: bool
) -> None:
    net, name = scaled_net(dtype, rows) if eight_bit else (Net().to(dtype), "blocks.0.self_attn.q")
    first = write(tmp_path / "a.safetensors", lightx2v(alpha=2.0))
    second = LoraSpec(write(tmp_path / "b.safetensors", lightx2v()).path, -0.3)
    apply_loras(net, [first, second], aliases=ALIASES, dtype=dtype, device=CPU)
    layer = net.get_submodule(name)
    assert isinstance(layer, LoraLinear)
    x = torch.randn(50, 8).to(dtype)
    expected = OnActivations(layer, dtype)(x).float()
    difference = layer(x).float() - expected
    assert difference.norm() / expected.norm() <= bound
    assert torch.equal(ready(layer, dtype)(x), layer(x))
    assert torch.equal(layer(x), layer(x)), "the layer's own weight was changed"


def test_blocks_with_loras_can_be_streamed(tmp_path: Path) -> None:
    net, _ = scaled_net(torch.float32, rows=False)
    apply(net, write(tmp_path / "x.safetensors", lightx2v()))
    block = net.get_submodule("blocks.0")
    block.forward = block.get_submodule("self_attn.q").forward
    x = torch.randn(3, 8)
    expected = block(x)
    with BlockStream([block], CPU):
        assert torch.equal(block(x), expected)
        assert torch.equal(block(x), expected)


def test_keys_without_a_layer_are_counted_and_listed_once(tmp_path: Path) -> None:
    state = lightx2v()
    for block in range(3):
        layer = f"diffusion_model.blocks.{block}.cross_attn.k_img"
        state |= {f"{layer}.lora_down.weight": DOWN, f"{layer}.lora_up.weight": UP}
        state[f"diffusion_model.blocks.{block}.norm3.diff_b"] = torch.zeros(8)
    (report,) = apply(Net(), write(tmp_path / "x.safetensors", state))
    assert report.applied == 1
    assert len(report.unmatched) == 9
    assert report.message.count("blocks.*.cross_attn.k_img.down") == 1
    assert "9 keys fit no layer" in report.message
    assert "blocks.*.norm3.diff_b" in report.message


def test_misshapen_parts_are_reported_not_applied(tmp_path: Path) -> None:
    layer = "diffusion_model.blocks.0.ffn.0"
    wrong = {f"{layer}.lora_down.weight": torch.zeros(4, 9), f"{layer}.lora_up.weight": UP}
    (report,) = apply(Net(), write(tmp_path / "x.safetensors", lightx2v() | wrong))
    assert report.applied == 1
    assert report.unmatched == ("blocks.0.ffn.0.down", "blocks.0.ffn.0.up")


def test_a_lora_of_another_model_is_an_error(tmp_path: Path) -> None:
    keys = {"lora_unet_down_blocks_0_attn.lora_down.weight": DOWN}
    with pytest.raises(InputError, match="fits no layer"):
        apply(Net(), write(tmp_path / "x.safetensors", keys))
