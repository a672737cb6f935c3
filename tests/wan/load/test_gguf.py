"""GGUF files give the numbers that the package `gguf` unpacks, through the whole tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import gguf
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file
from torch import Tensor

from soundreel.engines.wan.files.gguf import BLOCKS
from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.load import quantised
from soundreel.engines.wan.load.gguf import Packed
from soundreel.engines.wan.load.lora import LoraSpec
from soundreel.engines.wan.load.models import load_text_encoder, load_transformer
from soundreel.engines.wan.load.quantised import QuantisedEmbedding, QuantisedLinear
from soundreel.engines.wan.model.names import official_name
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.errors import InputError
from wan.load.gguf_files import (
    MIXES,
    TYPES,
    flat,
    folded,
    random_blocks,
    unpacked,
    write_text_encoder,
    write_transformer,
)

CPU = torch.device("cpu")
INJECT = (0, 1)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_type_is_unpacked_to_the_librarys_numbers(kind: Type, dtype: torch.dtype) -> None:
    blocks = random_blocks(5, 512, kind, seed=1)
    made = Packed(kind.name).restore({"weight": torch.from_numpy(blocks).view(torch.int8)}, dtype)
    assert BLOCKS[kind.name] == gguf.GGML_QUANT_SIZES[kind]
    assert torch.equal(made, unpacked(blocks, kind).to(dtype))


def test_a_large_matrix_is_unpacked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = random_blocks(7, 256, Type.Q4_K, seed=2)
    parts = {"weight": torch.from_numpy(blocks).view(torch.int8)}
    whole = Packed("Q4_K").restore(parts, torch.float32)
    monkeypatch.setattr(quantised, "AT_ONCE", 600)
    assert torch.equal(Packed("Q4_K").restore(parts, torch.float32), whole)


@pytest.fixture(scope="module")
def tiny() -> WanS2VTransformer3DModel:
    """Random, two heads of 128: rows of 256 numbers."""
    torch.manual_seed(0)
    model = WanS2VTransformer3DModel(
        num_attention_heads=2,
        text_dim=24,
        ffn_dim=512,
        num_layers=2,
        audio_dim=16,
        num_audio_layers=3,
        audio_inject_layers=INJECT,
    )
    return model.eval().requires_grad_(False)


def official(model: WanS2VTransformer3DModel) -> dict[str, Tensor]:
    return {official_name(name, INJECT): value for name, value in model.state_dict().items()}


def load(path: Path, **kwargs: Any) -> WanS2VTransformer3DModel:
    (path.parent / "config.json").write_text(json.dumps({"audio_inject_layers": INJECT}))
    found = given(path, "transformer")
    return load_transformer(found, device=CPU, dtype=kwargs.pop("dtype", torch.float32), **kwargs)


def plain(folder: Path, truth: Mapping[str, Tensor], **kwargs: Any) -> WanS2VTransformer3DModel:
    folder.mkdir()
    save_file(
        {name: tensor.contiguous() for name, tensor in truth.items()}, folder / "x.safetensors"
    )
    return load(folder / "x.safetensors", **kwargs)


def velocity(model: WanS2VTransformer3DModel) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, 7, 24, generator=generator)
    audio = torch.randn(1, 3, 16, 4, generator=generator)
    latents = torch.randn(1, 16, 1, 8, 8, generator=generator)
    with torch.no_grad():
        conditioning = model.prepare(text, audio, (1, 8, 8), reference_latents=latents)
        sample: Tensor = model(latents, torch.tensor(500.0), conditioning).sample
    return sample


def assert_same(one: WanS2VTransformer3DModel, other: WanS2VTransformer3DModel) -> None:
    wanted = velocity(other)
    assert wanted.isfinite().all()
    assert float(wanted.std()) > 1e-3
    torch.testing.assert_close(velocity(one), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_runs_as_the_unpacked_model(
    tmp_path: Path, tiny: WanS2VTransformer3DModel, mix: str
) -> None:
    truth = write_transformer(tmp_path / "x.gguf", official(tiny), mix)
    assert given(tmp_path / "x.gguf", "transformer").number_format == f"GGUF {mix}"
    model = load(tmp_path / "x.gguf")
    assert_same(model, plain(tmp_path / "plain", truth))
    layer = model.get_submodule("blocks.1.self_attn.v")
    assert isinstance(layer, QuantisedLinear)
    numbers, size = gguf.GGML_QUANT_SIZES[MIXES[mix][2]]
    assert layer.weight.nbytes == 256 * 256 // numbers * size


@pytest.mark.parametrize("shaped", [folded, flat])
def test_folded_shapes_are_unfolded(
    tmp_path: Path, tiny: WanS2VTransformer3DModel, shaped: Callable[[str, Tensor], Tensor]
) -> None:
    truth = write_transformer(tmp_path / "x.gguf", official(tiny), "Q8_0", shaped=shaped)
    assert_same(load(tmp_path / "x.gguf"), plain(tmp_path / "plain", truth))


def test_a_quantised_small_table_and_a_prefix(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    state = {f"model.diffusion_model.{name}": value for name, value in official(tiny).items()}
    table = "model.diffusion_model.trainable_cond_mask.weight"
    truth = write_transformer(tmp_path / "x.gguf", state, "Q4_K_M", also=[table])
    assert_same(load(tmp_path / "x.gguf"), plain(tmp_path / "plain", truth))


def test_a_wrong_number_of_numbers_is_an_error(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    state = official(tiny) | {"blocks.0.norm3.weight": torch.ones(255)}
    write_transformer(tmp_path / "x.gguf", state, "Q8_0")
    with pytest.raises(InputError, match=r"blocks.0.norm3.weight is \(255,\), not \(256,\)"):
        load(tmp_path / "x.gguf")


def test_a_lora_acts_on_packed_weights(tmp_path: Path, tiny: WanS2VTransformer3DModel) -> None:
    truth = write_transformer(tmp_path / "x.gguf", official(tiny), "Q5_K_M")
    layer = "diffusion_model.blocks.0.ffn.0"
    torch.manual_seed(3)
    parts = {"lora_down.weight": torch.randn(2, 256), "lora_up.weight": torch.randn(512, 2)}
    save_file({f"{layer}.{name}": t for name, t in parts.items()}, tmp_path / "style.safetensors")
    loras = [LoraSpec(tmp_path / "style.safetensors", 0.1)]
    with_lora = load(tmp_path / "x.gguf", loras=loras)
    assert_same(with_lora, plain(tmp_path / "plain", truth, loras=loras))
    assert not torch.allclose(velocity(with_lora), velocity(load(tmp_path / "x.gguf")))


def test_packed_weights_are_the_files_own_pages(
    tmp_path: Path, tiny: WanS2VTransformer3DModel
) -> None:
    write_transformer(tmp_path / "x.gguf", official(tiny), "Q4_K_S")
    model = load(tmp_path / "x.gguf", dtype=torch.bfloat16)
    held = sum(tensor.nbytes for tensor in model.blocks.state_dict().values())
    wide = sum(tensor.numel() * 2 for tensor in tiny.blocks.state_dict().values())
    assert held < 0.45 * wide
    assert model.blocks[0].modulation.dtype == torch.float32


# --- the text encoder -------------------------------------------------------------------------

TEXTS = (
    "a calm sea, then a storm",
    "Straße, naïve café — déjà vu…",
    "ｆｕｌｌ－ｗｉｄｔｈ ﬁle №1",
    "  two   spaces and a tab\there ",
    "歌う 少女 🎤",
    "x" * 3000,
)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sentencepiece model of 400 pieces, trained on a few sentences."""
    import io

    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    words = "a the calm sea storm wave light singer drum beat night sun dancing slowly under sky"
    sentences = [f"{one} {two} in {three}" for one in words.split() for two in words.split()
                 for three in words.split()[::3]]  # fmt: skip
    SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        vocab_size=340,
        model_type="unigram",
        byte_fallback=True,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return model.getvalue()


def vocabulary_of(model: bytes) -> dict[str, object]:
    """What llama.cpp's converter takes from a sentencepiece model."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_proto=model)
    count = processor.get_piece_size()
    asked = ((processor.is_unknown, 2), (processor.is_control, 3), (processor.is_byte, 6))
    kinds = [next((kind for is_so, kind in asked if is_so(i)), 1) for i in range(count)]
    return {
        "token_list": [processor.id_to_piece(i) for i in range(count)],
        "token_scores": [processor.get_score(i) for i in range(count)],
        "token_types": kinds,
        "add_space_prefix": True,
        "remove_extra_whitespaces": True,
        "precompiled_charsmap": charsmap_of(model),
        "eos_token_id": 1,
        "pad_token_id": 0,
        "unk_token_id": 2,
    }


def charsmap_of(model: bytes) -> bytes:
    """Field 2 of the normaliser, which is field 3 of the model."""
    return fields(fields(model)[3][-1])[2][-1]


def fields(message: bytes) -> dict[int, list[bytes]]:
    """The length-delimited fields of a protocol buffer."""
    found: dict[int, list[bytes]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = number()
        if key & 7 == 2:
            length = number()
            found.setdefault(key >> 3, []).append(message[at : at + length])
            at += length
        elif key & 7 == 5:
            at += 4
        else:
            number()
    return found


def text_tensors(rows: int) -> dict[str, Tensor]:
    """Two blocks of UMT5, 256 wide, by llama.cpp's names."""
    torch.manual_seed(4)
    shapes = {"token_embd": (rows, 256), "enc.output_norm": (256,)}
    for block in range(2):
        shapes |= {
            f"enc.blk.{block}.{name}": shape
            for name, shape in {
                **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_o"), (256, 256)),
                **dict.fromkeys(("attn_norm", "ffn_norm"), (256,)),
                **{"attn_rel_b": (32, 4), "ffn_gate": (512, 256), "ffn_up": (512, 256)},
                "ffn_down": (256, 512),
            }.items()
        }
    return {f"{name}.weight": torch.rand(shape) + 0.5 for name, shape in shapes.items()}


@pytest.mark.parametrize("rows", [400, 12_000])
def test_the_text_encoder_and_its_tokenizer_come_out_of_one_file(
    tmp_path: Path, pieces: bytes, rows: int
) -> None:
    path = tmp_path / "umt5.gguf"
    vocabulary = vocabulary_of(pieces)
    truth = write_text_encoder(path, text_tensors(rows), Type.Q4_K, vocabulary)
    encoder = load_text_encoder(given(path, "text_encoder"), device=CPU, dtype=torch.float32)
    assert isinstance(encoder.model.get_submodule("shared"), QuantisedEmbedding) == (rows == 12_000)

    (tmp_path / "plain").mkdir()
    save_file(
        {**truth, "spiece_model": torch.frombuffer(bytearray(pieces), dtype=torch.uint8)},
        tmp_path / "plain" / "x.safetensors",
    )
    wanted = load_text_encoder(
        given(tmp_path / "plain" / "x.safetensors", "text_encoder"), device=CPU, dtype=torch.float32
    )
    for text in TEXTS:
        assert encoder.tokenizer(text) == wanted.tokenizer(text)
        torch.testing.assert_close(encoder.encode(text), wanted.encode(text))


def test_the_tokenizer_replaces_characters_as_the_original_does(
    tmp_path: Path, pieces: bytes
) -> None:
    """Without the table of characters, full-width letters are other words."""
    vocabulary = vocabulary_of(pieces)
    bare = {name: value for name, value in vocabulary.items() if name != "precompiled_charsmap"}
    tokens = []
    for name, given_vocabulary in (("whole", vocabulary), ("bare", bare)):
        path = tmp_path / f"{name}.gguf"
        write_text_encoder(path, text_tensors(400), Type.Q8_0, given_vocabulary)
        encoder = load_text_encoder(given(path, "text_encoder"), device=CPU, dtype=torch.float32)
        tokens.append(encoder.tokenizer("ｓｕｎ"))
    assert tokens[0] != tokens[1]


def test_a_text_encoder_without_words_wants_a_tokenizer_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "umt5.gguf"
    write_text_encoder(path, text_tensors(400), Type.Q8_0, {})
    with pytest.raises(InputError, match="0 words, 0 scores"):
        load_text_encoder(given(path, "text_encoder"), device=CPU, dtype=torch.float32)
