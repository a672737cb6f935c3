"""The four models load from every published layout, without a second copy."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file
from torch import Tensor

from soundreel.engines.wan.encoders.text import _NAMES
from soundreel.engines.wan.files.lookup import WeightSet, given
from soundreel.engines.wan.files.selection import Selection
from soundreel.engines.wan.job import make_components
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.mapped import read_state
from soundreel.engines.wan.load.models import load_text_encoder, load_transformer
from soundreel.engines.wan.load.quantised import QuantisedLinear
from soundreel.engines.wan.memory.offload import Residence
from soundreel.engines.wan.model.names import official_name
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.errors import EngineUnavailable, InputError
from wan.files.weight_files import key_lists, write_sparse
from wan.model_folder import TEXT_WIDTH, make_model_folder

CPU = torch.device("cpu")
INJECT = (0, 1)


@pytest.fixture(scope="module")
def tiny() -> WanS2VTransformer3DModel:
    """A random transformer of two blocks with the 14B's head size."""
    torch.manual_seed(0)
    model = WanS2VTransformer3DModel(
        num_attention_heads=1,
        text_dim=24,
        ffn_dim=160,
        num_layers=2,
        audio_dim=16,
        num_audio_layers=3,
        audio_inject_layers=INJECT,
    )
    return model.eval().requires_grad_(False)


def official(model: WanS2VTransformer3DModel) -> dict[str, Tensor]:
    return {official_name(k, INJECT): v.clone() for k, v in model.state_dict().items()}


def scaled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a ComfyUI fp8_scaled writer does: matrices in 8 bits, one scale each, a marker."""
    out: dict[str, Tensor] = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    for name, tensor in state.items():
        out[name] = tensor
        if tensor.dim() == 2 and name != "trainable_cond_mask.weight":
            scale = tensor.abs().max() / 448
            out[name] = (tensor / scale).to(torch.float8_e4m3fn)
            out[name.replace(".weight", ".scale_weight")] = scale
    return out


def write(folder: Path, tensors: dict[str, Tensor], name: str = "x.safetensors") -> Path:
    (folder / "config.json").write_text(json.dumps({"audio_inject_layers": INJECT}))
    save_file(tensors, folder / name)
    return folder / name


def load(path: Path, dtype: torch.dtype = torch.float32, **kwargs: Any) -> WanS2VTransformer3DModel:
    return load_transformer(given(path, "transformer"), device=CPU, dtype=dtype, **kwargs)


def velocity(model: WanS2VTransformer3DModel) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, 7, 24, generator=generator)
    audio = torch.randn(1, 3, 16, 4, generator=generator)
    latents = torch.randn(1, 16, 1, 8, 8, generator=generator)
    conditioning = model.prepare(text, audio, (1, 8, 8), reference_latents=latents)
    return model(latents, torch.tensor(500.0), conditioning).sample


def assert_close(one: Tensor, other: Tensor) -> None:
    """The last bits depend on where in memory a weight begins."""
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_official_names_load_and_run_the_same(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    assert_close(velocity(load(write(tmp_path, official(tiny)))), velocity(tiny))


def test_prefix_of_comfyui_is_stripped(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    tensors = {f"model.diffusion_model.{k}": v for k, v in official(tiny).items()}
    assert_close(velocity(load(write(tmp_path, tensors))), velocity(tiny))


def test_own_saved_folder_loads(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    tiny.save_pretrained(tmp_path)
    assert_close(velocity(load(tmp_path)), velocity(tiny))


def test_shards_load(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    tiny.save_pretrained(tmp_path, max_shard_size="1MB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert_close(velocity(load(tmp_path)), velocity(tiny))


def test_scaled_weights_give_the_dequantised_model(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    state = scaled(official(tiny))
    wide = {
        name: tensor.float() * state[name.replace(".weight", ".scale_weight")]
        if tensor.dtype == torch.float8_e4m3fn and tensor.numel()
        else tensor
        for name, tensor in state.items()
        if not name.endswith("scale_weight") and name != "scaled_fp8"
    }
    (tmp_path / "wide").mkdir()
    model = load(write(tmp_path, state))
    assert isinstance(model.get_submodule("blocks.1.audio_injector.attn.q"), QuantisedLinear)
    assert isinstance(model.get_submodule("head.head"), QuantisedLinear)
    assert_close(velocity(model), velocity(load(write(tmp_path / "wide", wide))))


def test_bfloat16_keeps_the_float32_parts(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    model = load(write(tmp_path, official(tiny)), torch.bfloat16)
    assert model.get_parameter("blocks.0.modulation").dtype == torch.float32
    assert model.get_parameter("blocks.0.self_attn.q.weight").dtype == torch.bfloat16
    assert velocity(model).dtype == torch.float32


def test_lora_for_the_audio_injectors_is_applied(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    layer = "base_model.model.audio_injector.injector.1.q"
    lora = {
        f"{layer}.lora_A.weight": torch.ones(2, 128),
        f"{layer}.lora_B.weight": torch.ones(128, 2),
    }
    save_file(lora, tmp_path / "lora.st")
    said: list[str] = []
    specs = [LoraSpec(tmp_path / "lora.st", 0.5)]
    model = load(write(tmp_path, official(tiny)), loras=specs, report=said.append)
    assert said == ["LoRA lora.st: 1 layers changed"]
    assert not torch.allclose(velocity(model), velocity(tiny), atol=1e-3)


@pytest.mark.parametrize(("text", "reason"), [("{", "valid JSON"), ("[]", "a JSON object")])
def test_a_damaged_config_json_is_an_error(
    tmp_path: Path, tiny: WanS2VTransformer3DModel, text: str, reason: str
) -> None:
    path = write(tmp_path, tiny.state_dict())
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=rf"config.json .* {reason}"):
        load(path)


def test_a_truncated_set_is_an_error(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    state = official(tiny)
    del state["blocks.1.ffn.2.bias"]
    with pytest.raises(InputError, match=r"blocks.1.ffn.2.bias is missing"):
        load(write(tmp_path, state))


def anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's RssAnon")
def test_the_full_size_set_is_never_copied(tmp_path: Path) -> None:
    """16.4 GB of transformer load into less than 1 GB of memory of our own: the float32 parts."""
    path = write_sparse(tmp_path / "s2v.safetensors", key_lists()["s2v_fp8_scaled"])
    before = anonymous_bytes()
    model = load(path, torch.bfloat16)
    assert anonymous_bytes() - before < 1e9
    assert sum(p.numel() for p in model.parameters()) == 16_295_755_609
    assert not any(tensor.is_meta for tensor in model.state_dict().values())


def test_the_full_size_text_encoder_is_never_copied(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "umt5.safetensors", _without_tokenizer("umt5_fp8_scaled"))
    _write_tokenizer(tmp_path / "tokenizer.json")
    before = anonymous_bytes()
    encoder = load_text_encoder(given(path, "text_encoder"), device=CPU, dtype=torch.float16)
    assert anonymous_bytes() - before < 0.5e9
    model = encoder.model
    weights = dict(model.named_parameters(remove_duplicate=False))
    assert weights["shared.weight"] is weights["encoder.embed_tokens.weight"]
    assert not any(tensor.is_meta for tensor in model.state_dict().values())


def _without_tokenizer(listed: str) -> dict[str, tuple[list[int], str]]:
    return {name: entry for name, entry in key_lists()[listed].items() if name != "spiece_model"}


def _write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer as Fast
    from tokenizers.models import WordLevel

    Fast(WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>")).save(str(path))


def test_text_encoder_without_any_tokenizer_is_an_error(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "umt5.safetensors", _without_tokenizer("umt5_fp16"))
    with pytest.raises(InputError, match="no tokenizer inside"):
        load_text_encoder(given(path, "text_encoder"), device=CPU, dtype=torch.float16)


# --- the text encoder's layouts ---------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("tiny"))


def encoded(path: Path, text: str = "a cat") -> Tensor:
    found = given(path, "text_encoder")
    return load_text_encoder(found, device=CPU, dtype=torch.float32).encode(text)


def test_text_encoder_of_the_official_checkpoint_loads(folder: Path, tmp_path: Path) -> None:
    state = read_state([folder / "text_encoder" / "model.safetensors"])
    spellings = {new: old for old, new in _NAMES.items()}
    official: dict[str, Tensor] = {}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        found = re.fullmatch(r"encoder\.block\.(\d+)\.(.+)", stem)
        old = f"blocks.{found[1]}.{spellings[found[2]]}" if found else spellings.get(stem)
        official |= {f"{old}.{kind}": tensor.clone()} if old else {}
    torch.save(official, tmp_path / "models_t5_umt5-xxl-enc-bf16.pth")
    shutil.copytree(folder / "tokenizer", tmp_path / "google" / "umt5-xxl")
    expected = encoded(folder / "text_encoder" / "model.safetensors")
    assert_close(encoded(tmp_path / "models_t5_umt5-xxl-enc-bf16.pth"), expected)


def test_text_encoder_of_comfyui_loads_with_its_own_tokenizer(folder: Path, tmp_path: Path) -> None:
    state = read_state([folder / "text_encoder" / "model.safetensors"])
    state.pop("encoder.embed_tokens.weight", None)
    eight: dict[str, Tensor] = {"spiece_model": _sentencepiece(tmp_path)}
    wide: dict[str, Tensor] = dict(eight)
    for name, tensor in state.items():
        eight[name], wide[name] = tensor.clone(), tensor.clone()
        if tensor.dim() == 2 and ".layer." in name and "bias" not in name:
            eight[name] = (tensor * 100).to(torch.float8_e4m3fn)
            eight[name.replace(".weight", ".scale_weight")] = torch.tensor(0.01)
            wide[name] = eight[name].float() * 0.01
    save_file(eight, tmp_path / "eight.safetensors")
    save_file(wide, tmp_path / "wide.safetensors")
    expected = encoded(tmp_path / "wide.safetensors")
    assert expected.shape[2] == TEXT_WIDTH
    assert_close(encoded(tmp_path / "eight.safetensors"), expected)


def _sentencepiece(folder: Path) -> Tensor:
    """The bytes of a small tokenizer, as ComfyUI's file holds them."""
    from sentencepiece import SentencePieceTrainer

    (folder / "text.txt").write_text("a cat sat on a mat\nthe dog saw the cat\n" * 20)
    SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "spm"),
        vocab_size=19,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return torch.frombuffer(bytearray((folder / "spm.model").read_bytes()), dtype=torch.uint8)


def test_eight_bit_weights_are_refused_on_apples_gpus(tmp_path: Path) -> None:
    four = {
        slot: given(write_sparse(tmp_path / f"{slot}.safetensors", key_lists()[listed]), slot)
        for slot, listed in (
            ("transformer", "s2v_fp8_scaled"),
            ("text_encoder", "umt5_fp16"),
            ("vae", "vae_comfy"),
            ("audio_encoder", "wav2vec2_comfy"),
        )
    }
    residence = Residence(torch.device("mps"), "none")
    with pytest.raises(EngineUnavailable, match="do not run on Apple") as caught:
        make_components(Selection(WeightSet(**four)), residence, dtype=torch.bfloat16)
    assert "pull bf16" in caught.value.hint
