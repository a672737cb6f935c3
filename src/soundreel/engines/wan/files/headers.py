"""What a weight file says about itself, read without loading it and without torch.

A header gives every tensor's name, dtype and shape. Three containers are read: safetensors, torch's
zip pickle (no code in it is run), GGUF. TorchScript archives are recognised by their code.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from soundreel.engines.wan.files.contents import Header, TensorHeader
from soundreel.engines.wan.files.gguf import read_gguf
from soundreel.engines.wan.files.limits import (
    MAX_JSON,
    checked_shape,
    faults_of,
    parse_object,
    require_file,
)
from soundreel.engines.wan.files.torch_zip import read_torch_zip

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".gguf")
"""File endings that may hold weights; what a file is, its header says."""

FETCH_AGAIN = "it may be cut off or half downloaded: fetch it again (soundreel models pull)"


_MAX_SMALL = 65_536  # bytes


def read_header(path: Path) -> Header:
    """Read the header of a weight file. Raises InputError where it is none or is cut off."""
    with faults_of(path, "a readable weight file", FETCH_AGAIN):
        require_file(path)
        with path.open("rb") as file:
            head = file.read(9)
            file.seek(0)
            return _reader(head)(file)


def read_tensor_bytes(path: Path, tensor: TensorHeader) -> bytes:
    """The raw bytes of one small tensor of a safetensors file. Raises ValueError, OSError."""
    if tensor.end - tensor.start > _MAX_SMALL:
        raise ValueError(f"a tensor of {tensor.end - tensor.start:,} bytes where a note belongs")
    with path.open("rb") as file:
        file.seek(tensor.start)
        return file.read(tensor.end - tensor.start)


def _reader(head: bytes) -> Callable[[BinaryIO], Header]:
    if head[:4] == b"GGUF":
        return read_gguf
    if head[:4] == b"PK\x03\x04":
        return read_torch_zip
    if head[:1] == b"\x80" and head[8:] != b"{":
        raise ValueError("a pickle from before torch 1.6; save it again with a newer torch")
    return _read_safetensors


# --- safetensors: u64 length, JSON, data (huggingface/safetensors README, "Format") -----------

_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2} | {
    **{"I16": 2, "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1}
}


def _read_safetensors(file: BinaryIO) -> Header:
    (length,) = struct.unpack("<Q", file.read(8))
    if not 2 <= length <= MAX_JSON:
        raise ValueError("no safetensors, torch or GGUF header at its start")
    text = file.read(length)
    if len(text) < length:
        raise EOFError("its header breaks off")
    entries = parse_object(text)
    metadata = _metadata(entries.pop("__metadata__", None))
    data = 8 + length
    tensors = {name: _safetensors_entry(name, entry, data) for name, entry in entries.items()}
    size = file.seek(0, io.SEEK_END)
    end = max((tensor.end for tensor in tensors.values()), default=data)
    if size < end:
        raise ValueError(f"{size:,} bytes of {end:,} are there")
    return Header("safetensors", tensors, metadata)


def _metadata(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)}


def _safetensors_entry(name: str, entry: object, data: int) -> TensorHeader:
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
