"""Any weight file is recognised by its header, whatever its name."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundreel.engines.wan.files.formats import Kind, number_format, recognise
from soundreel.engines.wan.files.headers import read_header
from soundreel.errors import InputError
from wan.files.weight_files import key_lists, write_gguf, write_sparse


def inspect(path: Path) -> tuple[Kind, str]:
    header = read_header(path)
    return recognise(header), number_format(path, header)


@pytest.mark.parametrize(
    ("listed", "kind", "number"),
    [
        ("s2v_bf16", Kind.S2V, "bf16"),
        ("s2v_fp8_scaled", Kind.S2V, "fp8_scaled"),
        ("i2v_fp8_scaled", Kind.I2V, "fp8_scaled"),
        ("umt5_fp16", Kind.TEXT_ENCODER, "fp16"),
        ("umt5_fp8_scaled", Kind.TEXT_ENCODER, "fp8_scaled"),
        ("umt5_official_pth", Kind.TEXT_ENCODER, "bf16"),
        ("vae_comfy", Kind.VAE, "bf16"),
        ("wav2vec2_comfy", Kind.AUDIO_ENCODER, "fp16"),
        ("film_fp16", Kind.FILM, "fp16"),
        ("rife", Kind.RIFE, "fp32"),
    ],
)
def test_published_files_are_recognised_by_header(
    tmp_path: Path, listed: str, kind: Kind, number: str
) -> None:
    path = write_sparse(tmp_path / "any name.safetensors", key_lists()[listed])
    assert inspect(path) == (kind, number)


@pytest.mark.parametrize(
    ("listed", "size"),
    [("umt5_fp16", 11_366_399_385), ("umt5_fp8_scaled", 6_735_906_897)],
)
def test_key_lists_give_the_published_sizes(tmp_path: Path, listed: str, size: int) -> None:
    data = sum(t.end - t.start for t in read_header(_sparse(tmp_path, listed)).tensors.values())
    assert 0 < size - data < 100_000  # the rest is the header


def _sparse(folder: Path, listed: str) -> Path:
    return write_sparse(folder / "x.safetensors", key_lists()[listed])


def test_comfyui_prefix_does_not_matter(tmp_path: Path) -> None:
    tensors = {f"model.diffusion_model.{k}": v for k, v in key_lists()["s2v_bf16"].items()}
    assert inspect(write_sparse(tmp_path / "x.safetensors", tensors))[0] is Kind.S2V


def test_wav2vec2_without_prefix(tmp_path: Path) -> None:
    tensors = {k.removeprefix("wav2vec2."): v for k, v in key_lists()["wav2vec2_comfy"].items()}
    path = write_sparse(tmp_path / "x.safetensors", tensors)
    assert inspect(path)[0] is Kind.AUDIO_ENCODER


def test_wav2vec2_of_the_base_size_is_another_file(tmp_path: Path) -> None:
    tensors = dict(key_lists()["wav2vec2_comfy"])
    tensors["wav2vec2.feature_projection.projection.weight"] = ([768, 512], "F16")
    assert inspect(write_sparse(tmp_path / "x.safetensors", tensors))[0] is Kind.OTHER_AUDIO


@pytest.mark.parametrize(
    "key",
    [
        "diffusion_model.blocks.0.self_attn.q.lora_down.weight",
        "lora_unet_blocks_0_self_attn_q.lora_down.weight",
        "transformer.blocks.0.attn1.to_q.lora_A.weight",
        "base_model.model.blocks.0.self_attn.q.lora_A.default.weight",
    ],
)
def test_every_lora_style_is_a_lora(tmp_path: Path, key: str) -> None:
    path = write_sparse(tmp_path / "x.safetensors", {key: ([4, 8], "F32")})
    assert inspect(path)[0] is Kind.LORA


def test_wan_vae_is_told_from_others(tmp_path: Path) -> None:
    wider = dict(key_lists()["vae_comfy"]) | {"conv2.weight": ([48, 48, 1, 1, 1], "BF16")}
    assert inspect(write_sparse(tmp_path / "a.safetensors", wider))[0] is Kind.OTHER_VAE
    image = {"decoder.conv_in.weight": ([512, 4, 3, 3], "F16")}
    assert inspect(write_sparse(tmp_path / "b.safetensors", image))[0] is Kind.OTHER_VAE


def test_t5_is_told_from_umt5(tmp_path: Path) -> None:
    tensors = {
        name: entry
        for name, entry in key_lists()["umt5_fp16"].items()
        if "relative_attention_bias" not in name or ".block.0." in name
    }
    assert inspect(write_sparse(tmp_path / "x.safetensors", tensors))[0] is Kind.OTHER_T5


# --- newer quantisations ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"format": "nvfp4"}, "nvfp4"),
        ("mxfp8", "mxfp8"),
        ({"format": "int8_tensorwise", "convrot": True}, "int8_convrot"),
        ({"format": "int8_tensorwise", "params": {"convrot": False}}, "int8"),
        ({"format": "convrot_w4a4", "params": {"convrot_groupsize": 64}}, "int4_convrot"),
        ({"format": "awq_w4a16"}, "awq_w4a16"),
    ],
)
def test_quantisations_are_named(tmp_path: Path, entry: object, name: str) -> None:
    layers = {"format_version": "1.0", "layers": {"blocks.0.self_attn.q": entry}}
    metadata = {"_quantization_metadata": json.dumps(layers)}
    path = write_sparse(tmp_path / "x.safetensors", key_lists()["s2v_fp8_scaled"], metadata)
    assert inspect(path) == (Kind.S2V, name)


def test_newer_fp8_metadata_is_fp8(tmp_path: Path) -> None:
    layers = {"layers": {"blocks.0.self_attn.q": {"format": "float8_e4m3fn"}}}
    metadata = {"_quantization_metadata": json.dumps(layers)}
    path = write_sparse(tmp_path / "x.safetensors", key_lists()["s2v_fp8_scaled"], metadata)
    assert inspect(path)[1] == "fp8_scaled"


def test_per_layer_quantisation_tensor_is_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    entry = torch.frombuffer(bytearray(b'{"format": "nvfp4"}'), dtype=torch.uint8)
    path = tmp_path / "x.safetensors"
    save_file({"blocks.0.self_attn.q.comfy_quant": entry, "a.weight": torch.zeros(2)}, path)
    assert inspect(path)[1] == "nvfp4"


def test_undeclared_integers_are_refused(tmp_path: Path) -> None:
    tensors = dict(key_lists()["s2v_bf16"]) | {"blocks.0.self_attn.q.weight": ([8, 8], "I8")}
    path = write_sparse(tmp_path / "x.safetensors", tensors)
    assert inspect(path)[1] == "undeclared I8"


# --- other containers -------------------------------------------------------------------------


def test_pickle_is_read_without_running_it(tmp_path: Path) -> None:
    path = tmp_path / "vae.pth"
    names = key_lists()["vae_comfy"]
    torch.save({k: torch.empty(s, dtype=torch.float32) for k, (s, _) in names.items()}, path)
    header = read_header(path)
    assert recognise(header) is Kind.VAE
    assert header.tensors["conv2.weight"].shape == (16, 16, 1, 1, 1)
    assert number_format(path, header) == "fp32"


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("trapped",)


def test_pickle_with_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Trap()}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match="more than plain tensors"):
        read_header(tmp_path / "bad.pth")
    assert not (tmp_path / "trapped").exists()


def test_gguf_is_recognised(tmp_path: Path) -> None:
    tensors = {
        "blocks.0.self_attn.q.weight": ([5120, 5120], 12),
        "casual_audio_encoder.encoder.final_linear.weight": ([5120, 5120], 12),
        "patch_embedding.weight": ([5120, 16, 1, 2, 2], 0),
    }
    path = write_gguf(tmp_path / "x.gguf", "wan", tensors)
    header = read_header(path)
    assert header.metadata["general.architecture"] == "wan"
    assert header.tensors["patch_embedding.weight"].shape == (5120, 16, 1, 2, 2)
    assert inspect(path) == (Kind.S2V, "GGUF Q4_K")


def test_film_torchscript_is_recognised(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "film.pt", "w") as archive:
        archive.writestr("film/code/__torch__/net.py", "extract : A\npredict_flow : B\nfuse : C\n")
        archive.writestr("film/data.pkl", b"")
    assert inspect(tmp_path / "film.pt") == (Kind.FILM, "torchscript")


def test_cut_off_file_says_so(tmp_path: Path) -> None:
    path = write_sparse(tmp_path / "x.safetensors", key_lists()["vae_comfy"])
    os.truncate(path, 100_000)
    with pytest.raises(InputError, match=r"100,000 bytes of .* are there"):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x80\x02}q\x00."])
def test_no_weight_file_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="not a readable weight file"):
        read_header(tmp_path / "x.safetensors")
