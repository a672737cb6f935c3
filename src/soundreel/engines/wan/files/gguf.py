"""GGUF headers (ggml-org/ggml docs/gguf.md): magic, version, counts, key-values, tensor infos."""

from __future__ import annotations

import struct
from typing import BinaryIO

from soundreel.engines.tensors import TensorHeader, checked_shape
from soundreel.engines.wan.files.contents import Header

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
    | {30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}
)


def read_gguf(file: BinaryIO) -> Header:
    """The header at the file's start. Raises ValueError, EOFError."""
    cursor = _Cursor(file)
    cursor.skip(4)
    version, tensors, pairs = cursor.take("IQQ")
    if not 2 <= version <= 3:
        raise ValueError(f"GGUF version {version}")
    metadata = dict(_pair(cursor) for _ in range(cursor.counted(pairs)))
    return Header("gguf", dict(_tensor(cursor) for _ in range(cursor.counted(tensors))), metadata)


class _Cursor:
    """Reads on through the file; holds what it has read, which is faster than asking for each
    value: a vocabulary has hundreds of thousands."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = b""
        self._at = 0
        self._values = 0

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


def _pair(cursor: _Cursor) -> tuple[str, str]:
    name = cursor.text()
    return name, _value(cursor, cursor.take("I")[0])


def _value(cursor: _Cursor, kind: int) -> str:
    if kind == _STRING:
        return cursor.text()
    if kind == _ARRAY:
        inner, count = cursor.take("IQ")
        _skip_array(cursor, inner, count)
        return f"[{count} values]"
    return str(cursor.take(_scalar(kind))[0])


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


def _tensor(cursor: _Cursor) -> tuple[str, TensorHeader]:
    name = cursor.text()
    dims = cursor.take("I")[0]
    sides = cursor.take(f"{min(dims, 9)}Q")  # nine are too many already
    kind, _offset = cursor.take("IQ")
    dtype = _TYPES.get(kind, f"ggml type {kind}")
    return name, TensorHeader(dtype, checked_shape(sides[::-1]))
