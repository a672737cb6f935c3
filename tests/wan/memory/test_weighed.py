"""The size of loaded weights, read from a file's header, is that of the loaded model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from torch import Tensor, nn

from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.load.models import load_text_encoder, load_transformer
from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.needs import Weights
from soundreel.engines.wan.memory.offload import streamed_blocks
from soundreel.engines.wan.memory.stream import tensor_places
from soundreel.engines.wan.memory.weighed import weights_of
from soundreel.engines.wan.model.names import AUDIO_INJECT_LAYERS, official_name
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from wan.files.weight_files import key_lists, write_sparse
from wan.load.gguf_files import write_text_encoder, write_transformer
from wan.load.test_gguf import text_tensors

CPU = torch.device("cpu")


def check(path: Path, slot: str, model: nn.Module) -> None:
    """What a module holds, each tensor once, is what the file was weighed as."""
    told, size = weights_of(given(path, slot)), path.stat().st_size
    blocks = [_bytes(block) for block in streamed_blocks(model)]
    total = _bytes(model)
    assert told == Weights(total, total - sum(blocks), max(blocks))
    copied = _bytes(model, lambda tensor: tensor.untyped_storage().nbytes() != size)
    assert told.own == copied


def _bytes(module: nn.Module, counts: Callable[[Tensor], bool] = lambda _: True) -> int:
    tensors = {id(store[name]): store[name] for store, name in tensor_places(module)}
    return sum(tensor.nbytes for tensor in tensors.values() if counts(tensor))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Of a transformer as deep as the 14B, 256 wide, by official names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WanS2VTransformer3DModel(
            num_attention_heads=2,
            text_dim=24,
            ffn_dim=512,
            num_layers=40,
            audio_dim=16,
            num_audio_layers=3,
        )
    inject = AUDIO_INJECT_LAYERS
    return {official_name(name, inject): value for name, value in model.state_dict().items()}


def loaded(path: Path) -> nn.Module:
    found = given(path, "transformer")
    return load_transformer(found, device=CPU, dtype=torch.bfloat16)


@pytest.mark.parametrize("mix", ["Q2_K", "Q4_K_M", "Q8_0"])
def test_a_gguf_transformer_is_weighed(tmp_path: Path, state: dict[str, Tensor], mix: str) -> None:
    write_transformer(tmp_path / "x.gguf", state, mix, also=["trainable_cond_mask.weight"])
    check(tmp_path / "x.gguf", "transformer", loaded(tmp_path / "x.gguf"))


def test_a_transformer_in_8_bits_is_weighed(tmp_path: Path, state: dict[str, Tensor]) -> None:
    small: dict[str, Tensor] = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    for name, tensor in state.items():
        small[name] = tensor
        if tensor.dim() == 2:
            small[name] = tensor.to(torch.float8_e4m3fn)
            small[name.replace(".weight", ".scale_weight")] = torch.ones(())
    save_file(small, tmp_path / "x.safetensors")
    check(tmp_path / "x.safetensors", "transformer", loaded(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("rows", [400, 12_000])
def test_a_gguf_text_encoder_is_weighed(tmp_path: Path, rows: int) -> None:
    """A small vocabulary is restored, a large one stays as it lies."""
    path = tmp_path / "umt5.gguf"
    vocabulary = {"token_list": ["a"], "token_scores": [0.0], "token_types": [1]}
    write_text_encoder(path, text_tensors(rows), Type.Q6_K, vocabulary)
    check(path, "text_encoder", _without_tokenizer(path))


def _without_tokenizer(path: Path) -> nn.Module:
    from soundreel.engines.wan.load import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "_tokenizer", lambda *_: lambda _: [1])
        found = given(path, "text_encoder")
        return load_text_encoder(found, device=CPU, dtype=torch.bfloat16).model


def test_the_published_files_weigh_what_the_table_says(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "x.safetensors", key_lists()["s2v_fp8_scaled"])
    assert weights_of(given(path, "transformer")) == needs.transformer_weights("fp8_scaled")
    path = write_sparse(tmp_path / "y.safetensors", key_lists()["umt5_fp8_scaled"])
    told, published = weights_of(given(path, "text_encoder")), needs.text_weights("fp8_scaled")
    assert told.all == published.all
    assert told.own == pytest.approx(published.own, rel=1e-3)
