"""How large a file's weights are once they are loaded, by its header: no torch.

By the rule of the loader (`load.mapped.fill`): what is quantised stays so in linear layers and in
the vocabulary of a GGUF text encoder; all else is widened to 16 bits, or to 32 where the model
computes so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.gguf import BLOCKS, LARGE_TABLE
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.files.lookup import Found
from soundreel.engines.wan.memory.needs import Weights
from soundreel.engines.wan.model.names import (
    AUDIO_INJECT_LAYERS,
    kept_in_float32,
    to_module,
    without_prefix,
)

_SMALL = ("F8_E4M3", "F8_E5M2", "I8", "U8")
_BLOCK = re.compile(r"^(?:blocks|encoder\.block|enc\.blk)\.(\d+)\.")

_TABLES = (
    *("trainable_cond_mask", "shared", "embed_tokens", "token_embedding", "token_embd"),
    *("attn_rel_b", "relative_attention_bias", "pos_embedding"),
)
"""Layers that are no linear ones, by a part of their names."""

_SCALES = ("scale_weight", "weight_scale", "weight_scale_2", "pre_quant_scale")
_UNUSED = ("scaled_fp8", "spiece_model", "scale_input", "input_scale", "comfy_quant")


def weights_of(found: Found) -> Weights:
    """Bytes of the transformer or the text encoder in these files. Raises InputError."""
    tensors = {
        name: tensor for path in found.files for name, tensor in read_header(path).tensors.items()
    }
    return weights_in(tensors, found.kind)


def weights_in(tensors: dict[str, TensorHeader], kind: Kind) -> Weights:
    """So too, by what a file's header says of its tensors."""
    if kind is Kind.S2V:
        tensors = to_module(without_prefix(tensors), AUDIO_INJECT_LAYERS)
    elif kind is Kind.I2V:
        tensors = without_prefix(tensors)
    elif "encoder.embed_tokens.weight" in tensors and "shared.weight" in tensors:
        del tensors["encoder.embed_tokens.weight"]  # one table under two names
    total, own, blocks = 0, 0, dict[str, int]()
    for name, size, copied in _loaded(tensors):
        total += size
        own += size if copied else 0
        if match := _BLOCK.match(name):
            blocks[match[1]] = blocks.get(match[1], 0) + size
    return Weights(total, total - sum(blocks.values()), max(blocks.values(), default=0), own)


def _loaded(tensors: Mapping[str, TensorHeader]) -> Iterator[tuple[str, int, bool]]:
    """(name, bytes, whether they are no view of the file) of everything that is loaded."""
    for name, tensor in tensors.items():
        last = name.rpartition(".")[2]
        if last in _UNUSED:
            continue
        if last in _SCALES:
            yield name, _scale(name, tensor, tensors), False
        elif _stays(name, tensor):
            yield name, _stored(tensor), False
        else:
            wanted, size = ("F32", 4) if kept_in_float32(name) else ("BF16", 2)
            yield name, tensor.numel * size, tensor.dtype != wanted


def _stays(name: str, tensor: TensorHeader) -> bool:
    parts = name.split(".")
    if parts[-1] != "weight" or len(tensor.shape) != 2:
        return False
    if any(part in _TABLES for part in parts):
        return tensor.dtype in BLOCKS and tensor.shape[0] >= LARGE_TABLE
    return tensor.dtype in BLOCKS or tensor.dtype in _SMALL


def _stored(tensor: TensorHeader) -> int:
    return tensor.end - tensor.start


def _scale(name: str, tensor: TensorHeader, tensors: Mapping[str, TensorHeader]) -> int:
    """Scales of blocks stay in their bytes, all others become float32; of a table none is left."""
    weight = tensors.get(f"{name.rpartition('.')[0]}.weight")
    if weight is None or not _stays(f"{name.rpartition('.')[0]}.weight", weight):
        return 0
    in_blocks = tensor.dtype in ("F8_E4M3", "F8_E8M0", "U8")
    return _stored(tensor) if in_blocks else 4 * tensor.numel
