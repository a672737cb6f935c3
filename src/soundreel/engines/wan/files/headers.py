"""What a weight file says about itself, read without loading it and without torch.

A header gives every tensor's name, dtype and shape. Three containers are read: safetensors, torch's
zip pickle (no code in it is run), GGUF. TorchScript archives are recognised by their code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from soundreel.engines import tensors
from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.contents import Header
from soundreel.engines.wan.files.gguf import read_gguf
from soundreel.engines.wan.files.limits import faults_of, require_file
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


def _read_safetensors(file: BinaryIO) -> Header:
    return Header("safetensors", *tensors.read_header(file))
