"""ComfyUI's formats give the numbers of its own kernels, and load through every layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from soundreel.engines.wan.files.formats import Declared
from soundreel.engines.wan.load.comfy import rotated
from soundreel.engines.wan.load.mapped import empty_model, fill
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.load.reading import read_contents, split_quantised
from soundreel.errors import InputError

RECORDED = Path(__file__).parents[2] / "data" / "quantised_by_comfy_kitchen.safetensors"
"""Random matrices that comfy-kitchen 0.2.40 quantised, and what it restores of them."""

FORMATS = {
    "int8": Declared("int8_tensorwise"),
    "int8_rows": Declared("int8_tensorwise"),
    "int8_convrot": Declared("int8_tensorwise", 256),
    "nvfp4": Declared("nvfp4"),
    "mxfp8": Declared("mxfp8"),
    "convrot_w4a4": Declared("convrot_w4a4", 256),
}
CPU = torch.device("cpu")


def recorded(name: str, layer: str) -> tuple[dict[str, Tensor], Tensor]:
    """A layer's tensors as the file has them, and the restored weight."""
    every = {
        key.removeprefix(f"{name}."): value
        for key, value in load_file(RECORDED).items()
        if key.startswith(f"{name}.")
    }
    restored = every.pop("restored")
    return {f"{layer}.{key}": value for key, value in every.items()}, restored


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("by_metadata", [True, False], ids=["metadata", "tensor"])
def test_a_layer_multiplies_as_the_kernels_restored_weight(
    tmp_path: Path, name: str, by_metadata: bool
) -> None:
    tensors, restored = recorded(name, "model.diffusion_model.layer")
    entry = {"format": FORMATS[name].name, "convrot": FORMATS[name].group > 0}
    metadata = {"_quantization_metadata": json.dumps({"layers": {"layer": entry}})}
    if not by_metadata:
        text = json.dumps(entry).encode()
        tensors["model.diffusion_model.layer.comfy_quant"] = torch.tensor(list(text)).byte()
        metadata = {}
    save_file(tensors, tmp_path / "x.safetensors", metadata)
    rows, columns = restored.shape
    net = empty_model(lambda: nn.ModuleDict({"layer": nn.Linear(columns, rows, bias=False)}))
    read = read_contents([tmp_path / "x.safetensors"]).renamed(
        lambda names: {key.removeprefix("model.diffusion_model."): v for key, v in names.items()}
    )
    read = read.shaped_for(net)
    fill(net, read.weights, read.quantised, device=CPU, dtype=torch.float32)
    layer = net.get_submodule("layer")
    assert isinstance(layer, QuantisedLinear)
    assert layer.weight.dtype == torch.int8
    torch.testing.assert_close(layer.restored(torch.float32)[0], restored, atol=2e-6, rtol=1e-6)
    x = torch.randn(3, columns)
    torch.testing.assert_close(layer(x), x @ restored.T, atol=1e-4, rtol=1e-5)
    assert layer(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("group", [4, 16, 64, 256])
def test_a_rotation_is_the_matrix_of_its_definition_and_undoes_itself(group: int) -> None:
    four = (torch.ones(4, 4) - 2 * torch.eye(4).flip(0)) / 2
    matrix = torch.ones(1, 1)
    while len(matrix) < group:
        matrix = torch.kron(matrix, four)
    rows = torch.randn(3, 2 * group, dtype=torch.float64)
    turned = (rows.view(3, 2, group) @ matrix.double()).view(3, -1)
    torch.testing.assert_close(rotated(rows, group), turned)
    torch.testing.assert_close(rotated(rotated(rows, group), group), rows)


def test_padding_is_cut_off() -> None:
    """nvfp4 fills rows and columns up to whole blocks."""
    tensors, restored = recorded("nvfp4", "layer")
    net = empty_model(lambda: nn.ModuleDict({"layer": nn.Linear(75, 140, bias=False)}))
    read = split_quantised(tensors, {"layer": Declared("nvfp4")}).shaped_for(net)
    fill(net, read.weights, read.quantised, device=CPU, dtype=torch.float32)
    x = torch.randn(2, 75)
    assert torch.allclose(net.get_submodule("layer")(x), x @ restored[:140, :75].T, atol=1e-4)


def test_inputs_that_were_divided_are_multiplied_again() -> None:
    tensors, restored = recorded("nvfp4", "layer")
    tensors["layer.pre_quant_scale"] = scale = torch.rand(restored.shape[1]) + 0.5
    read = split_quantised(tensors, {"layer": Declared("nvfp4")})
    made = read.quantised["layer.weight"].restored(torch.float32)
    torch.testing.assert_close(made, restored * scale, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("missing", ["weight_scale", "weight_scale_2"])
def test_a_missing_scale_is_an_error(missing: str) -> None:
    tensors, _ = recorded("nvfp4", "layer")
    del tensors[f"layer.{missing}"]
    with pytest.raises(InputError, match=r"have no scale, first: layer|is quantised as nvfp4"):
        split_quantised(tensors, {"layer": Declared("nvfp4")})


def test_whole_numbers_without_a_word_are_left_alone() -> None:
    """They may be a tokenizer or a table of indices."""
    read = split_quantised({"ids": torch.arange(3, dtype=torch.int8)})
    assert not read.quantised
    assert read.weights["ids"].tolist() == [0, 1, 2]
