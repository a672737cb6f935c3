"""The header of a safetensors file, read and written without a tensor library.

A file holds a u64 length, JSON, data (huggingface/safetensors README, "Format"). It may come from a
stranger or a server: what is read is bounded in bytes, in the number of values and in depth, far
above every published file (the largest header, of 1728 tensors, has 0.3 MB).
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAX_JSON = 32_000_000  # bytes; LoRA trainers write megabytes of statistics into the header
_MAX_VALUES = 1_000_000  # of one JSON text
_MAX_DIMS = 8
_MAX_SIDE = 2**48

_BYTES: Mapping[str, int] = {
    # of one number; formats below a byte are not in it
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """dtype in safetensors' names ("BF16", "F8_E4M3") or GGUF's ("Q4_K"); shape in torch's order;
    start, end: bytes of the data in a safetensors file, counted from the file's start."""

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def read_header(file: BinaryIO) -> tuple[dict[str, TensorHeader], dict[str, str]]:
    """Tensors by name, and the metadata.

    Raises ValueError, KeyError, EOFError, RecursionError or struct.error where it is not one.
    """
    (length,) = struct.unpack("<Q", file.read(8))
    if not 2 <= length <= MAX_JSON:
        raise ValueError("no safetensors, torch or GGUF header at its start")
    text = file.read(length)
    if len(text) < length:
        raise EOFError("its header breaks off")
    entries = parse_object(text)
    metadata = _metadata(entries.pop("__metadata__", None))
    data = 8 + length
    tensors = {name: _entry(name, entry, data) for name, entry in entries.items()}
    size = file.seek(0, io.SEEK_END)
    end = max((tensor.end for tensor in tensors.values()), default=data)
    if size < end:
        raise ValueError(f"it breaks off: {size:,} bytes of {end:,} are there")
    return tensors, metadata


def write_tensors(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """A file of (dtype, shape, little-endian data in C order) by name, without metadata: the same
    bytes for the same tensors."""
    entries: dict[str, object] = {}
    position = 0
    for name, (dtype, shape, data) in tensors.items():
        end = position + len(data)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def parse_object(text: bytes) -> dict[str, object]:
    """A JSON object. Raises ValueError, RecursionError."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is needed, it holds a {type(value).__name__}")
    return value


def parse_json(text: bytes) -> object:
    """A JSON value made of at most so many. Raises ValueError, RecursionError."""
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > _MAX_VALUES:
        raise ValueError(f"it holds more than {_MAX_VALUES:,} values")
    try:
        value: object = json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as err:
        raise ValueError(f"it is not valid JSON: {err}") from err
    return value


def checked_shape(sides: Sequence[object]) -> tuple[int, ...]:
    """The shape of a tensor. Raises ValueError where it is none."""
    if len(sides) > _MAX_DIMS:
        raise ValueError(f"a tensor of {len(sides)} dimensions")
    shape = [side for side in sides if type(side) is int and 0 <= side <= _MAX_SIDE]
    if len(shape) != len(sides):
        raise ValueError("a tensor whose shape is not made of whole numbers from 0")
    return tuple(shape)


def _metadata(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _entry(name: str, entry: object, data: int) -> TensorHeader:
    if not isinstance(entry, dict):
        raise ValueError(f"the entry of tensor {name[:100]} is not an object")
    dtype, shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(span, list):
        raise ValueError(f"the entry of tensor {name[:100]} is not as safetensors writes it")
    start, end = checked_shape(span)
    tensor = TensorHeader(dtype[:32], checked_shape(shape), data + start, data + end)
    width = _BYTES.get(dtype)
    if end < start or (width is not None and end - start != width * tensor.numel):
        raise ValueError(f"tensor {name[:100]}: {tensor.numel:,} numbers in {end - start:,} bytes")
    return tensor
