"""From a prompt to the transformer's text input: cleaning, tokens, UMT5 encoder.

At most 512 tokens: no begin token, end 1, pad 0. The encoder runs on the real tokens alone; the
transformer pads its output with zeros.
Source: Wan-Video/Wan2.2, wan/modules/{tokenizers,t5}.py.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import ftfy
import torch
from tokenizers import Tokenizer as Fast
from torch import Tensor, nn
from transformers import UMT5Config, UMT5EncoderModel

from soundreel.engines.wan22 import TEXT_TOKENS
from soundreel.errors import InputError

END_TOKEN = 1

T = TypeVar("T")

Tokenizer = Callable[[str], list[int]]
"""Token ids of a cleaned text: at most 512, the last one is the end token."""


class TextEncoder:
    """UMT5's encoder with its tokenizer, on the model's device and in its dtype."""

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    def encode(self, text: str) -> Tensor:
        """(1, L, width) of a text of L tokens, in the model's dtype."""
        return self.encode_tokens(self.tokenizer(clean(text)))

    @torch.no_grad()
    def encode_tokens(self, tokens: list[int]) -> Tensor:
        """(1, L, width) of L token ids."""
        device = next(self.model.parameters()).device
        hidden: Tensor = self.model(torch.tensor([tokens], device=device)).last_hidden_state
        return hidden


def clean(text: str) -> str:
    """Mended encoding errors, no HTML entities (escaped twice at most), single spaces."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", text).strip()


def folder_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in `tokenizer.json` of an official folder (google/umt5-xxl).

    Raises InputError if it is not there or cannot be read.
    """
    path = folder / "tokenizer.json"
    try:
        fast = Fast.from_file(str(path))
    except Exception as err:  # the library raises bare Exception
        raise InputError(
            f"{path} is not a tokenizer: {err}",
            hint="use the folder google/umt5-xxl of the official checkpoint",
        ) from err
    fast.enable_truncation(TEXT_TOKENS)
    fast.no_padding()

    def tokens(text: str) -> list[int]:
        return list(fast.encode(text).ids)

    return tokens


def sentencepiece_tokenizer(model: bytes) -> Tokenizer:
    """The tokenizer of a sentencepiece model's bytes: ComfyUI's text encoder file has them in its
    tensor `spiece_model`.

    Raises InputError if they are none.
    """
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError as err:
        raise InputError(
            f"the tokenizer inside the text encoder is not a sentencepiece model: {err}",
            hint="take the text encoder file of Comfy-Org/Wan_2.2_ComfyUI_Repackaged",
        ) from err

    def tokens(text: str) -> list[int]:
        return [*processor.encode(text)[: TEXT_TOKENS - 1], END_TOKEN]

    return tokens


def text_keys(state: Mapping[str, T]) -> dict[str, T]:
    """transformers' names for an official, a ComfyUI or a GGUF checkpoint; the tokenizer is left
    out."""
    name = _tied
    if "token_embedding.weight" in state:
        name = _current_name
    elif "token_embd.weight" in state:
        name = _name_of_llama_cpp
    return {name(key): value for key, value in state.items() if key != "spiece_model"}


def text_config(tensors: Mapping[str, Tensor]) -> dict[str, object]:
    """Fields of transformers' UMT5Config, read from tensors named as `text_keys` gives them."""
    block = "encoder.block.0.layer"
    buckets, heads = tensors[f"{block}.0.SelfAttention.relative_attention_bias.weight"].shape
    vocabulary, width = tensors["shared.weight"].shape
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": tensors[f"{block}.0.SelfAttention.q.weight"].shape[0] // heads,
        "d_ff": tensors[f"{block}.1.DenseReluDense.wi_0.weight"].shape[0],
        "num_layers": len({key.split(".")[2] for key in tensors if ".block." in key}),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
    }


def text_model(config: Mapping[str, object]) -> nn.Module:
    """transformers' UMT5 encoder, not yet filled."""
    model: nn.Module = UMT5EncoderModel(UMT5Config.from_dict(dict(config)))
    return model


_NAMES = {
    "token_embedding": "shared",
    "norm": "encoder.final_layer_norm",
    "norm1": "layer.0.layer_norm",
    "norm2": "layer.1.layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}


_LLAMA_CPP_NAMES = {
    # ggml-org/llama.cpp, gguf-py, MODEL_TENSORS of T5ENCODER
    "attn_norm": "layer.0.layer_norm",
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}


def _name_of_llama_cpp(key: str) -> str:
    stem, _, kind = key.rpartition(".")
    outside = {"token_embd": "shared", "enc.output_norm": "encoder.final_layer_norm"}
    match = re.fullmatch(r"enc\.blk\.(\d+)\.(\w+)", stem)
    if match is None:
        return f"{outside.get(stem, stem)}.{kind}"
    index, part = match.groups()
    return f"encoder.block.{index}.{_LLAMA_CPP_NAMES.get(part, part)}.{kind}"


def _tied(key: str) -> str:
    """One name for the embedding, which transformers knows under two."""
    return "shared.weight" if key == "encoder.embed_tokens.weight" else key


def _current_name(key: str) -> str:
    stem, _, kind = key.rpartition(".")
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", stem)
    if match is None:
        return f"{_NAMES.get(stem, stem)}.{kind}"
    index, part = match.groups()
    return f"encoder.block.{index}.{_NAMES.get(part, part)}.{kind}"
