"""safetensors headers without a tensor library, held to the library's own reader and writer."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

from soundreel.engines.tensors import MAX_JSON, read_header, write_tensors

ARRAYS = {
    "a": np.arange(6, dtype="<f4").reshape(2, 3),
    "empty": np.zeros((0,), "<f4"),
    "scalar": np.array(7, "<i8"),
    "bytes": np.arange(5, dtype=np.uint8),
}
NAMES = {"<f4": "F32", "<i8": "I64", "|u1": "U8"}


def written() -> bytes:
    return write_tensors(
        {name: (NAMES[a.dtype.str], a.shape, a.tobytes()) for name, a in ARRAYS.items()}
    )


def test_the_library_reads_what_is_written() -> None:
    library = pytest.importorskip("safetensors.numpy")
    read = library.load(written())
    assert read.keys() == ARRAYS.keys()
    assert all(np.array_equal(read[name], ARRAYS[name]) for name in ARRAYS)


def test_what_the_library_writes_is_read() -> None:
    library = pytest.importorskip("safetensors.numpy")
    file = library.save(ARRAYS, {"made": "here"})
    tensors, metadata = read_header(io.BytesIO(file))
    assert metadata == {"made": "here"}
    for name, array in ARRAYS.items():
        tensor = tensors[name]
        assert (tensor.dtype, tensor.shape) == (NAMES[array.dtype.str], array.shape)
        assert file[tensor.start : tensor.end] == array.tobytes()


def test_data_begins_where_eight_bytes_can_be_read_at_once() -> None:
    tensors, _ = read_header(io.BytesIO(written()))
    assert tensors["a"].start % 8 == 0


def file_of(entries: object, data: bytes = b"\x00" * 64) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(**changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", MAX_JSON + 1) + b"{}",
        struct.pack("<Q", 0),
        struct.pack("<Q", 2) + b"\xff\xfe",
        struct.pack("<Q", 20) + b"{}",
        file_of([]),
        struct.pack("<Q", 10**6) + b"[" * 10**6,
        file_of({"a": []}),
        file_of({"a": {}}),
        file_of({"a": entry(dtype=4)}),
        file_of({"a": entry(shape=[-2])}),
        file_of({"a": entry(shape="2")}),
        file_of({"a": entry(shape=[2.0])}),
        file_of({"a": entry(data_offsets=[8, 0])}),
        file_of({"a": entry(data_offsets=[-8, 0])}),
        file_of({"a": entry(data_offsets=[0])}),
        file_of({"a": entry(data_offsets=[0, 12])}),
        file_of({"a": entry(shape=[2**40], data_offsets=[0, 2**42])}),
        file_of({"a": entry()}, b"\x00" * 7),
    ],
    ids=range(20),
)
def test_what_does_not_hold_is_refused(file: bytes) -> None:
    with pytest.raises((ValueError, KeyError, EOFError, RecursionError, struct.error)):
        read_header(io.BytesIO(file))
