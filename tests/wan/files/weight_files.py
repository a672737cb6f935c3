"""Weight files for tests: full-size ones that are all holes on disk, and tiny real ones."""

from __future__ import annotations

import gzip
import json
import math
import os
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from soundreel.engines.wan.files.lookup import WeightSet, choose, scan
from soundreel.engines.wan.files.places import places

KEY_LISTS = Path(__file__).parents[2] / "data" / "wan_key_lists.json.gz"
BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "U8": 1, "I8": 1}

Tensors = Mapping[str, tuple[list[int], str]]


def find_weights(models_dir: Sequence[Path], environ: Mapping[str, str] = os.environ) -> WeightSet:
    """The set that a job would use of what lies in these folders and on this machine."""
    return choose(scan(places(models_dir, environ)))


@cache
def key_lists() -> dict[str, Tensors]:
    """Names, shapes and dtypes of the published files."""
    return json.loads(gzip.decompress(KEY_LISTS.read_bytes()))


def write_sparse(path: Path, tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Path:
    """A safetensors file with these tensors whose data is a hole: gigabytes cost no disk."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in sorted(tensors, key=lambda key: (-BYTES[tensors[key][1]], key)):  # wide ones first
        shape, dtype = tensors[name]
        start, end = end, end + math.prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # as the library does: data begins at a multiple of 8
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def write_gguf(
    path: Path,
    architecture: str,
    tensors: Mapping[str, tuple[list[int], int]],
    size: int = 500_000_000,
) -> Path:
    """A GGUF file (version 3) whose data is a hole of `size` bytes, in which all tensors begin;
    shapes in torch's order, types in ggml's numbers."""
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 2)
    out += _text("general.architecture") + struct.pack("<I", 8) + _text(architecture)
    out += _text("some.array") + struct.pack("<IIQ", 9, 8, 2) + _text("a") + _text("b")
    for name, (shape, kind) in tensors.items():
        out += _text(name) + struct.pack("<I", len(shape))
        out += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", kind, 0)
    path.write_bytes(out)
    os.truncate(path, len(out) + size)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
