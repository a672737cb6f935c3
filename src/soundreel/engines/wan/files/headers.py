"""What a weight file says about itself, read without loading it and without torch.

A header gives every tensor's name, dtype and shape. Three containers are read: safetensors, torch's
zip pickle (no code in it is run), GGUF. TorchScript archives are recognised by their code.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from soundreel.errors import InputError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".gguf")
"""File endings that may hold weights; what a file is, its header says."""

_MAX_HEADER = 100_000_000  # bytes; safetensors' own limit

_MALFORMED = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError),
    *(struct.error, zipfile.BadZipFile, pickle.UnpicklingError),
)


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


@dataclass(frozen=True, slots=True)
class Header:
    """container: "safetensors", "pickle", "gguf" or "torchscript"."""

    container: str
    tensors: Mapping[str, TensorHeader]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path) -> Header:
    """Read the header of a weight file. Raises InputError where it is none or is cut off."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
            file.seek(0)
            return _reader(head)(file)
    except OSError as err:
        raise InputError(
            f"cannot read {path}: {err.strerror or err}", hint="check the path and its permissions"
        ) from err
    except _MALFORMED as err:
        raise InputError(
            f"{path} is not a readable weight file: {err}",
            hint="it may be cut off or half downloaded: fetch it again (soundreel models pull)",
        ) from err


def read_tensor_bytes(path: Path, tensor: TensorHeader) -> bytes:
    """The raw bytes of one (small) tensor of a safetensors file."""
    with path.open("rb") as file:
        file.seek(tensor.start)
        return file.read(tensor.end - tensor.start)


def _reader(head: bytes) -> Callable[[BinaryIO], Header]:
    if head[:4] == b"GGUF":
        return _read_gguf
    if head[:4] == b"PK\x03\x04":
        return _read_zip
    if head[:1] == b"\x80" and head[8:] != b"{":
        raise ValueError("a pickle from before torch 1.6; save it again with a newer torch")
    return _read_safetensors


# --- safetensors: u64 length, JSON, data (huggingface/safetensors README, "Format") -----------


def _read_safetensors(file: BinaryIO) -> Header:
    (length,) = struct.unpack("<Q", file.read(8))
    if not 2 <= length <= _MAX_HEADER:
        raise ValueError("no safetensors, torch or GGUF header at its start")
    text = json.loads(file.read(length).decode("utf-8"))
    metadata = text.pop("__metadata__", {})
    data = 8 + length
    tensors = {name: _safetensors_entry(entry, data) for name, entry in text.items()}
    size = file.seek(0, io.SEEK_END)
    end = max((tensor.end for tensor in tensors.values()), default=data)
    if size < end:
        raise ValueError(f"{size:,} bytes of {end:,} are there")
    return Header("safetensors", tensors, metadata)


def _safetensors_entry(entry: Mapping[str, Any], data: int) -> TensorHeader:
    start, end = entry["data_offsets"]
    return TensorHeader(entry["dtype"], tuple(entry["shape"]), data + start, data + end)


# --- torch's zip: data.pkl names the tensors, their storages and shapes ------------------------

_STORAGE_DTYPES = {
    "FloatStorage": "F32",
    "DoubleStorage": "F64",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "Float8_e4m3fnStorage": "F8_E4M3",
    "Float8_e5m2Storage": "F8_E5M2",
}


def _read_zip(file: BinaryIO) -> Header:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        code = [name for name in names if "/code/" in name and name.endswith(".py")]
        if code:
            words = b"\n".join(archive.read(name) for name in code)
            return Header("torchscript", {}, {"code": words.decode("utf-8", "replace")})
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            raise ValueError("a zip archive without torch's data.pkl")
        tree = _InertUnpickler(io.BytesIO(archive.read(pickles[0]))).load()
    return Header("pickle", dict(_flatten(tree)))


class _InertUnpickler(pickle.Unpickler):
    """Rebuilds names and shapes only: no class or function that a file names is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module.startswith("torch") and name.startswith("_rebuild_tensor"):
            return lambda storage, _offset, size, *_: TensorHeader(storage, tuple(size))
        if module.startswith("torch") and name == "_rebuild_parameter":
            return lambda tensor, *_: tensor
        if module.startswith("torch") and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}: more than plain tensors")

    def persistent_load(self, pid: Any) -> Any:
        return pid[1]  # ("storage", dtype, key, device, numel)


def _flatten(tree: Any, prefix: str = "") -> list[tuple[str, TensorHeader]]:
    if isinstance(tree, TensorHeader):
        return [(prefix.removesuffix("."), tree)]
    if not isinstance(tree, dict):
        return []
    return [pair for key, value in tree.items() for pair in _flatten(value, f"{prefix}{key}.")]


# --- GGUF (ggml-org/ggml docs/gguf.md): magic, version, counts, key-values, tensor infos --------

_GGUF_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"} | {
    10: "Q",
    11: "q",
    12: "d",
}
_GGUF_STRING, _GGUF_ARRAY = 8, 9
_GGML_TYPES = (
    {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"}
    | {10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS"}
    | {17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S"}
    | {23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M"}
    | {30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}
)


def _read_gguf(file: BinaryIO) -> Header:
    _magic, version, tensors, pairs = struct.unpack("<4sIQQ", file.read(24))
    if version < 2:
        raise ValueError(f"GGUF version {version}")
    metadata = dict(_gguf_pair(file) for _ in range(pairs))
    return Header("gguf", dict(_gguf_tensor(file) for _ in range(tensors)), metadata)


def _gguf_pair(file: BinaryIO) -> tuple[str, str]:
    return _gguf_string(file), str(_gguf_value(file, _unpack(file, "I")))


def _gguf_value(file: BinaryIO, kind: int) -> Any:
    if kind == _GGUF_STRING:
        return _gguf_string(file)
    if kind == _GGUF_ARRAY:
        inner, count = _unpack(file, "I"), _unpack(file, "Q")
        for _ in range(count):  # skipped: vocabularies are long and say nothing about the kind
            _gguf_value(file, inner)
        return f"[{count} values]"
    return _unpack(file, _GGUF_SCALARS[kind])


def _gguf_tensor(file: BinaryIO) -> tuple[str, TensorHeader]:
    name = _gguf_string(file)
    shape = [_unpack(file, "Q") for _ in range(_unpack(file, "I"))]
    kind, _offset = _unpack(file, "I"), _unpack(file, "Q")
    return name, TensorHeader(_GGML_TYPES.get(kind, f"ggml type {kind}"), tuple(reversed(shape)))


def _gguf_string(file: BinaryIO) -> str:
    return file.read(_unpack(file, "Q")).decode("utf-8", "replace")


def _unpack(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]
