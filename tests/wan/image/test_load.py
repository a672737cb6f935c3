"""The two transformers load from every layout in the wild, and stay as small as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from safetensors.torch import save_file
from torch import Tensor

from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.image.load import load_expert
from soundreel.engines.wan.image.transformer import WanI2VTransformer3DModel
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.model.names import infer_base
from soundreel.errors import InputError
from wan.files.weight_files import key_lists
from wan.image.twins import as_diffusers
from wan.load import gguf_files
from wan.model_folder import TEXT_WIDTH, fill_at_random

CPU = torch.device("cpu")
SIZE = (2, 4, 4)
WIDE: dict[str, Any] = {
    "num_attention_heads": 2,
    "text_dim": TEXT_WIDTH,
    "ffn_dim": 512,
    "num_layers": 2,
}


def model(seed: int = 1) -> WanI2VTransformer3DModel:
    """With heads of 128, as files without a config.json are taken to have."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = WanI2VTransformer3DModel(**WIDE).eval().requires_grad_(False)
        fill_at_random(made)
    return made


def load(path: Path, **options: Any) -> WanI2VTransformer3DModel:
    found = given(path, "high_noise")
    return load_expert(found, device=CPU, dtype=torch.float32, **options)


def run(network: WanI2VTransformer3DModel) -> Tensor:
    numbers = torch.Generator().manual_seed(4)
    latents = torch.randn(1, 36, *SIZE, generator=numbers)
    text = torch.randn(1, 5, TEXT_WIDTH, generator=numbers)
    with torch.no_grad():
        return network(latents, torch.tensor([625.0]), network.prepare(text, SIZE))


def twin(state: dict[str, Tensor]) -> Tensor:
    """What diffusers' network gives with these plain numbers."""
    plain = WanI2VTransformer3DModel(**WIDE)
    plain.load_state_dict(state)
    network = as_diffusers(plain, WIDE)
    numbers = torch.Generator().manual_seed(4)
    latents = torch.randn(1, 36, *SIZE, generator=numbers)
    text = torch.nn.functional.pad(torch.randn(1, 5, TEXT_WIDTH, generator=numbers), (0, 0, 0, 507))
    with torch.no_grad():
        return network(latents, torch.tensor([625.0]), text, return_dict=False)[0]


def near(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).abs().max() < 2e-5 * wanted.abs().max())


def scaled(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """As a ComfyUI fp8_scaled writer leaves it, and the numbers that stand in it."""
    stored: dict[str, Tensor] = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    truth = dict(state)
    for name, tensor in state.items():
        if tensor.dim() != 2:
            stored[name] = tensor.clone()
            continue
        scale = tensor.abs().max() / 448
        stored[name] = (tensor / scale).to(torch.float8_e4m3fn)
        stored[name.replace(".weight", ".scale_weight")] = scale
        stored[name.replace(".weight", ".scale_input")] = torch.ones(())
        truth[name] = stored[name].float() * scale
    return stored, truth


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_scaled_weights_stay_8_bits_and_keep_their_scales(tmp_path: Path, prefix: str) -> None:
    stored, truth = scaled(model().state_dict())
    path = tmp_path / "high_noise.safetensors"
    save_file({f"{prefix}{name}": tensor for name, tensor in stored.items()}, path)
    loaded = load(path)
    query = loaded.get_submodule("blocks.0.self_attn.q")
    assert isinstance(query, QuantisedLinear)
    assert query.weight.element_size() == 1
    assert near(run(loaded), twin(truth))


@pytest.mark.parametrize("mix", ["Q4_K_M", "Q8_0"])
def test_gguf_blocks_stay_as_they_lie_in_the_file(tmp_path: Path, mix: str) -> None:
    path = tmp_path / "Wan2.2-I2V-A14B-HighNoise.gguf"
    state = model().state_dict()
    truth = gguf_files.write_transformer(path, state, mix, shaped=gguf_files.folded)
    loaded = load(path)
    assert isinstance(loaded.get_submodule("blocks.0.self_attn.q"), QuantisedLinear)
    assert near(run(loaded), twin(truth))


def test_a_lora_acts_on_use_and_changes_no_weight(tmp_path: Path) -> None:
    stored, truth = scaled(model().state_dict())
    path, lora = tmp_path / "low_noise.safetensors", tmp_path / "lora.safetensors"
    save_file(stored, path)
    numbers, layer = torch.Generator().manual_seed(6), "blocks.1.ffn.0"
    down, up = torch.randn(2, 256, generator=numbers), torch.randn(512, 2, generator=numbers)
    names = (f"diffusion_model.{layer}.lora_{part}.weight" for part in ("down", "up"))
    alpha = {f"diffusion_model.{layer}.alpha": torch.tensor(1.0)}
    save_file({**dict(zip(names, (down, up), strict=True)), **alpha}, lora)
    said: list[str] = []
    loaded = load(path, loras=[LoraSpec(lora, 0.5)], report=said.append)
    truth[f"{layer}.weight"] = truth[f"{layer}.weight"] + 0.5 * 0.5 * up @ down
    assert near(run(loaded), twin(truth))
    assert said == ["LoRA lora.safetensors: 1 layers changed"]


def test_the_published_file_is_the_model_of_its_size() -> None:
    class Shaped:
        def __init__(self, shape: list[int]) -> None:
            self.shape = shape

    tensors = {name: Shaped(shape) for name, (shape, _) in key_lists()["i2v_fp8_scaled"].items()}
    with torch.device("meta"):
        made = WanI2VTransformer3DModel(**infer_base(tensors))
    scales = ("scale_weight", "scale_input", "scaled_fp8")
    names = {name for name in tensors if name.rpartition(".")[2] not in scales}
    assert names == set(made.state_dict())
    wanted = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    assert {name: tuple(tensors[name].shape) for name in names} == wanted


def test_an_incomplete_file_is_said_to_be_so(tmp_path: Path) -> None:
    state = model().state_dict()
    del state["blocks.1.ffn.2.bias"]
    save_file(state, tmp_path / "high_noise.safetensors")
    with pytest.raises(InputError, match=r"blocks\.1\.ffn\.2\.bias is missing"):
        load(tmp_path / "high_noise.safetensors")
