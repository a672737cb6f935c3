"""GGUF files as their makers write them, by the package `gguf`: of tiny models, in every mix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]

MIXES: Mapping[str, tuple[int, Type, Type, Type]] = {
    # file type number; most matrices, those of the values, the second of a feed-forward
    # (city96/ComfyUI-GGUF, lcpp.patch)
    "Q2_K": (10, Type.Q2_K, Type.Q3_K, Type.Q2_K),
    "Q3_K_S": (11, Type.Q3_K, Type.Q3_K, Type.Q3_K),
    "Q3_K_M": (12, Type.Q3_K, Type.Q5_K, Type.Q4_K),
    "Q4_0": (2, Type.Q4_0, Type.Q4_0, Type.Q4_1),
    "Q4_1": (3, Type.Q4_1, Type.Q4_1, Type.Q4_1),
    "Q4_K_S": (14, Type.Q4_K, Type.Q5_K, Type.Q5_K),
    "Q4_K_M": (15, Type.Q4_K, Type.Q6_K, Type.Q6_K),
    "Q5_0": (8, Type.Q5_0, Type.Q5_0, Type.Q5_1),
    "Q5_1": (9, Type.Q5_1, Type.Q5_1, Type.Q5_1),
    "Q5_K_S": (16, Type.Q5_K, Type.Q5_K, Type.Q5_K),
    "Q5_K_M": (17, Type.Q5_K, Type.Q6_K, Type.Q6_K),
    "Q6_K": (18, Type.Q6_K, Type.Q6_K, Type.Q6_K),
    "Q8_0": (7, Type.Q8_0, Type.Q8_0, Type.Q8_0),
}

_SCALES: Mapping[Type, Sequence[int]] = {
    # where the float16 scales of a block begin
    **dict.fromkeys((Type.Q4_0, Type.Q5_0, Type.Q8_0, Type.IQ4_NL, Type.IQ4_XS), (0,)),
    **dict.fromkeys((Type.Q4_1, Type.Q5_1, Type.Q4_K, Type.Q5_K), (0, 2)),
    **{Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q6_K: (208,)},
}
TYPES = tuple(_SCALES)

KEPT = ("patch_embedding.", "text_embedding.", "time_embedding.", "time_projection.", "head.")
"""Matrices that the makers leave in 32 bits, with every `modulation` and all that is small."""


def random_blocks(rows: int, columns: int, kind: Type, seed: int) -> Bytes:
    """(rows, bytes of a row): any bits are valid numbers, once the scales are finite; so small that
    a weight has about the size of a random layer's."""
    random = np.random.default_rng(seed)
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows, columns // numbers, size), np.uint8)
    for start in _SCALES[kind]:
        scale = random.uniform(0.5, 1, blocks.shape[:2]) / _usual_size(kind) / columns**0.5
        blocks[..., start : start + 2] = scale.astype(np.float16)[..., None].view(np.uint8)
    return blocks.reshape(rows, -1)


def _usual_size(kind: Type) -> float:
    """Roughly the root mean square of a block's numbers before its float16 scale."""
    return {Type.Q2_K: 14, Type.Q3_K: 40, Type.Q4_K: 250, Type.Q5_K: 500, Type.Q6_K: 1300}.get(
        kind, {Type.Q8_0: 70, Type.IQ4_XS: 1200, Type.IQ4_NL: 60}.get(kind, 8)
    )


def unpacked(blocks: Bytes, kind: Type) -> Tensor:
    """The numbers, by the package's own arithmetic."""
    return torch.from_numpy(gguf.quants.dequantize(blocks, kind).copy())


def write_transformer(
    path: Path,
    state: Mapping[str, Tensor],
    mix: str,
    *,
    shaped: Callable[[str, Tensor], Tensor] = lambda _, tensor: tensor,
    also: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Write a model by official names with random blocks for its matrices; what a reader has to
    find in it. shaped: how the plain tensors lie in the file; also: further names to quantise."""
    number, *kinds = MIXES[mix]
    writer = gguf.GGUFWriter(None, "wan")
    writer.add_quantization_version(2)
    writer.add_file_type(number)
    truth = {}
    for seed, (name, tensor) in enumerate(state.items()):
        if name in also or _is_quantised(name, tensor):
            kind = kinds[1 if ".v." in name else 2 if name.endswith(".ffn.2.weight") else 0]
            blocks = random_blocks(tensor.shape[0], tensor.shape[1], kind, seed)
            writer.add_tensor(name, blocks, raw_dtype=kind)
            truth[name] = unpacked(blocks, kind)
        else:
            writer.add_tensor(name, shaped(name, tensor).float().numpy())
            truth[name] = tensor
    _write(writer, path)
    return truth


def _is_quantised(name: str, tensor: Tensor) -> bool:
    plain = (
        name.removeprefix("model.diffusion_model.").startswith(KEPT)
        or "modulation" in name
        or tensor.numel() <= 1024
    )
    return tensor.dim() == 2 and name.endswith("weight") and not plain


def folded(name: str, tensor: Tensor) -> Tensor:
    """As llama.cpp holds it: at most four dimensions, none of 1 in front."""
    if tensor.dim() == 5:
        tensor = tensor.flatten(0, 1)
    while tensor.dim() > 1 and tensor.shape[0] == 1 and ".modulation" not in name:
        tensor = tensor[0]
    return tensor


def flat(name: str, tensor: Tensor) -> Tensor:
    """Convolutions as one row of numbers."""
    return tensor.flatten() if tensor.dim() == 5 else folded(name, tensor)


def write_text_encoder(
    path: Path, tensors: Mapping[str, Tensor], kind: Type, vocabulary: Mapping[str, object]
) -> dict[str, Tensor]:
    """UMT5 by llama.cpp's names with its tokenizer inside; what a reader has to find in it."""
    writer = gguf.GGUFWriter(None, "t5encoder")
    writer.add_tokenizer_model("t5")
    for name, value in vocabulary.items():
        getattr(writer, f"add_{name}")(value)
    truth = {}
    for seed, (name, tensor) in enumerate(tensors.items()):
        if tensor.dim() == 2 and not name.endswith("attn_rel_b.weight"):
            blocks = random_blocks(tensor.shape[0], tensor.shape[1], kind, seed)
            writer.add_tensor(name, blocks, raw_dtype=kind)
            truth[name] = unpacked(blocks, kind)
        else:
            writer.add_tensor(name, tensor.float().numpy())
            truth[name] = tensor
    _write(writer, path)
    return truth


def _write(writer: gguf.GGUFWriter, path: Path) -> None:
    writer.write_header_to_file(path=path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
