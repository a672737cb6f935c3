"""GGUF headers (ggml-org/ggml docs/gguf.md): magic, version, counts, key-values, tensor infos.

The library's own reader takes 10 s for the 256,000 words of UMT5's vocabulary; here they are
stepped over, or kept where they are asked for.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import BinaryIO

from soundreel.engines.tensors import TensorHeader, checked_shape
from soundreel.engines.wan.files.contents import Header
from soundreel.timeline.grid import ceil_to

_MAX_BYTES = 64_000_000  # a vocabulary of 256,000 words with scores takes 8 MB
_MAX_VALUES = 4_000_000
_BLOCK = 2**20

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"} | {
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_TYPES = (
    {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"}
    | {10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS"}
    | {17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S"}
    | {23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M"}
    | {30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0"}
)

BLOCKS: Mapping[str, tuple[int, int]] = {
    # numbers and bytes of a block (ggml-org/ggml, ggml-common.h): the types that are unpacked here
    **{"Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34)},
    **{"Q2_K": (256, 84), "Q3_K": (256, 110), "Q4_K": (256, 144), "Q5_K": (256, 176)},
    **{"Q6_K": (256, 210), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136)},
}

PLAIN: Mapping[str, int] = {
    # bytes of a number that needs no unpacking
    **{"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1},
}

LARGE_TABLE = 10_000
"""Rows from which on a table, such as a vocabulary, stays packed; a smaller one is unpacked."""

MIXES: Mapping[str, str] = {
    # general.file_type (ggml-org/llama.cpp, llama.h, llama_ftype): how makers name a file
    **{"0": "F32", "1": "F16", "2": "Q4_0", "3": "Q4_1", "7": "Q8_0", "8": "Q5_0", "9": "Q5_1"},
    **{"10": "Q2_K", "11": "Q3_K_S", "12": "Q3_K_M", "13": "Q3_K_L", "14": "Q4_K_S"},
    **{"15": "Q4_K_M", "16": "Q5_K_S", "17": "Q5_K_M", "18": "Q6_K", "25": "IQ4_NL"},
    **{"30": "IQ4_XS", "32": "BF16"},
}

_ALIGNMENT = 32
"""Of the data, where the file names no other."""

_ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
"""Before a tensor's name: its shape, where a writer changed it (city96/ComfyUI-GGUF)."""

_SHORT = 8  # an array of at most so many numbers is told

Values = list[str] | tuple[int | float, ...]
"""An array of a header: texts or numbers."""


def read_gguf(file: BinaryIO) -> Header:
    """The header at the file's start, with where each tensor lies. Raises ValueError, EOFError."""
    metadata, infos, data = _read(file, {})
    length = file.seek(0, os.SEEK_END)
    tensors = {name: _placed(info, offset, data) for name, (info, offset) in infos.items()}
    for name, tensor in tensors.items():
        shape = _numbers(metadata.get(_ORIGINAL_SHAPE + name, ""))
        if shape and math.prod(shape) == tensor.numel:
            tensors[name] = replace(tensor, shape=shape)
    if any(tensor.end > length for tensor in tensors.values()):
        raise EOFError("its data breaks off")
    return Header("gguf", tensors, metadata)


def read_lists(file: BinaryIO, names: Collection[str]) -> dict[str, Values]:
    """The arrays of these names: a vocabulary, for example. Raises ValueError, EOFError."""
    kept: dict[str, Values | None] = dict.fromkeys(names)
    _read(file, kept)
    return {name: values for name, values in kept.items() if values is not None}


_Infos = dict[str, tuple[TensorHeader, int]]


def _read(file: BinaryIO, kept: dict[str, Values | None]) -> tuple[dict[str, str], _Infos, int]:
    """Key-values as text, tensors with their offsets in the data, where the data begins. Arrays
    named in `kept` are put there."""
    cursor = _Cursor(file)
    cursor.skip(4)
    version, tensors, pairs = cursor.take("IQQ")
    if not 2 <= version <= 3:
        raise ValueError(f"GGUF version {version}")
    metadata = dict(_pair(cursor, kept) for _ in range(cursor.counted(pairs)))
    infos = dict(_tensor(cursor) for _ in range(cursor.counted(tensors)))
    alignment = int(metadata.get("general.alignment", _ALIGNMENT))
    if not 1 <= alignment <= _BLOCK:
        raise ValueError(f"an alignment of {alignment}")
    return metadata, infos, ceil_to(cursor.at, alignment)


def _placed(info: TensorHeader, offset: int, data: int) -> TensorHeader:
    """With its first and last byte; of a type that is not known here, without."""
    numbers, size = BLOCKS.get(info.dtype, (1, PLAIN.get(info.dtype, 0)))
    if info.shape and info.shape[-1] % numbers:
        raise ValueError(f"rows of {info.shape[-1]} numbers in {info.dtype}")
    length = info.numel // numbers * size
    return replace(info, start=data + offset, end=data + offset + length) if length else info


def _numbers(text: str) -> tuple[int, ...]:
    """What `_value` told of a short array of whole numbers; () of anything else."""
    inside = text.removeprefix("[").removesuffix("]")
    parts = [part.strip() for part in inside.split(",")] if inside != text else []
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


class _Cursor:
    """Reads on through the file; holds what it has read, which is faster than asking for each
    value: a vocabulary has hundreds of thousands."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = b""
        self._at = 0
        self._values = 0

    @property
    def at(self) -> int:
        """Bytes read so far."""
        return self._at

    def take(self, code: str) -> tuple[int, ...]:
        """Little-endian values, without padding."""
        start = self._at
        self.skip(struct.calcsize(f"<{code}"))
        return struct.unpack_from(f"<{code}", self._data, start)

    def text(self) -> str:
        start, length = self._at + 8, self.take("Q")[0]
        self.skip(length)
        return self._data[start : start + length].decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        end = self._at + count
        if end > _MAX_BYTES:
            raise ValueError(f"its header is longer than {_MAX_BYTES:,} bytes")
        while end > len(self._data):
            more = self._file.read(max(_BLOCK, len(self._data)))
            if not more:
                raise EOFError("its header breaks off")
            self._data += more
        self._at = end

    def skip_texts(self, count: int) -> None:
        for _ in range(count):
            start = self._at
            self.skip(8)
            self.skip(int.from_bytes(self._data[start : start + 8], "little"))

    def counted(self, count: int) -> int:
        """`count` again. Raises ValueError where the file names more values than any model has."""
        self._values += count
        if self._values > _MAX_VALUES:
            raise ValueError(f"its header names more than {_MAX_VALUES:,} values")
        return count


def _pair(cursor: _Cursor, kept: dict[str, Values | None]) -> tuple[str, str]:
    name = cursor.text()
    kind = cursor.take("I")[0]
    if kind == _STRING:
        return name, cursor.text()
    if kind != _ARRAY:
        return name, str(cursor.take(_scalar(kind))[0])
    inner, count = cursor.take("IQ")
    if name not in kept and (inner == _STRING or count > _SHORT):
        _skip_array(cursor, inner, count)
        return name, f"[{count} values]"
    values = _array(cursor, inner, count)
    if name in kept:
        kept[name] = values
    return name, str(list(values[:_SHORT]))


def _array(cursor: _Cursor, inner: int, count: int) -> Values:
    if inner == _STRING:
        return [cursor.text() for _ in range(cursor.counted(count))]
    if count > _MAX_VALUES:
        raise ValueError(f"an array of {count:,} values")
    return cursor.take(f"{count}{_scalar(inner)}")


def _skip_array(cursor: _Cursor, inner: int, count: int) -> None:
    """Vocabularies are long and say nothing about the kind of weights."""
    if inner == _STRING:
        cursor.skip_texts(cursor.counted(count))
    elif inner == _ARRAY:  # allowed, and written by nobody
        raise ValueError("an array of arrays")
    else:
        cursor.skip(count * struct.calcsize(_scalar(inner)))


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"a value of type {kind}")
    return _SCALARS[kind]


def _tensor(cursor: _Cursor) -> tuple[str, tuple[TensorHeader, int]]:
    name = cursor.text()
    dims = cursor.take("I")[0]
    sides = cursor.take(f"{min(dims, 9)}Q")  # nine are too many already
    kind, offset = cursor.take("IQ")
    dtype = _TYPES.get(kind, f"ggml type {kind}")
    return name, (TensorHeader(dtype, checked_shape(sides[::-1])), offset)
