"""A transformer of 14B as a file of random numbers, in the formats that people have."""

from __future__ import annotations

import gzip
import json
import math
import os
import shutil
import struct
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.gguf_mixes import MIXES, size_of, types_of
from soundreel.engines.wan.files.gguf import MIXES as FILE_TYPES

KEY_LISTS = Path(__file__).parent.parent / "tests" / "data" / "wan_key_lists.json.gz"
FORMATS = ("fp8_scaled", "int8", *(f"gguf-{mix.lower()}" for mix in MIXES))
BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I8": 1}
SAMPLE = 2**22
"""Numbers that are drawn; tensors repeat them."""

ALIGNMENT = 32
"""Of a GGUF file's tensors."""

Tensors = Mapping[str, tuple[Sequence[int], str]]
"""Shape and type by name."""


def write_model(path: Path, form: str = "fp8_scaled") -> float:
    """Write the file; returns seconds. Raises SystemExit where the disk is too small."""
    tensors = tensors_of(form)
    sizes = {name: size_of_any(shape, kind) for name, (shape, kind) in tensors.items()}
    if shutil.disk_usage(path.parent).free < 1.1 * sum(sizes.values()):
        needed = sum(sizes.values()) / 1e9
        sys.exit(f"{path.parent} has no room for {needed:.1f} GB: name another with --folder")
    start = time.monotonic()
    gguf = form.startswith("gguf-")
    header = header_of(form, tensors, sizes)
    samples = _samples({kind for _, kind in tensors.values()})
    with path.open("wb") as file:
        file.write(header)
        for name, size in sizes.items():
            for part in _data(samples[tensors[name][1]], size):
                file.write(part)
            file.write(bytes(-size % ALIGNMENT) if gguf else b"")
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - start


def header_of(form: str, tensors: Tensors, sizes: Mapping[str, int]) -> bytes:
    """All that comes before the first tensor."""
    if form.startswith("gguf-"):
        return _gguf_header(form.removeprefix("gguf-").upper(), tensors, sizes)
    return _safetensors_header(tensors, sizes)


def size_of_any(shape: Sequence[int], kind: str) -> int:
    """Bytes of a tensor, of whichever format."""
    return math.prod(shape) * BYTES[kind] if kind in BYTES else size_of(shape, kind)


def tensors_of(form: str) -> Tensors:
    """In the order of the file."""
    lists = json.loads(gzip.decompress(KEY_LISTS.read_bytes()))
    if form.startswith("gguf-"):
        shapes = {name: shape for name, (shape, _) in lists["s2v_bf16"].items()}
        kinds = types_of(shapes, form.removeprefix("gguf-").upper())
        return {name: (shape, kinds[name]) for name, shape in shapes.items()}
    listed = lists["s2v_fp8_scaled"]
    names = sorted(listed, key=lambda name: (-BYTES[listed[name][1]], name))
    if form == "fp8_scaled":
        return {name: tuple(listed[name]) for name in names}
    return {
        name.replace(".scale_weight", ".weight_scale"): (shape, "I8" if kind == "F8_E4M3" else kind)
        for name, (shape, kind) in ((name, listed[name]) for name in names)
        if name != "scaled_fp8"
    }


def _safetensors_header(tensors: Tensors, sizes: Mapping[str, int]) -> bytes:
    header: dict[str, Any] = {}
    end = 0
    for name, (shape, kind) in tensors.items():
        begin, end = end, end + sizes[name]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    whole = [name.removesuffix(".weight") for name, (_, kind) in tensors.items() if kind == "I8"]
    if whole:
        layers = {"layers": {layer: {"format": "int8_tensorwise"} for layer in whole}}
        header["__metadata__"] = {"_quantization_metadata": json.dumps(layers)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _gguf_header(mix: str, tensors: Tensors, sizes: Mapping[str, int]) -> bytes:
    """Version 3, without hyperparameters, as such files are."""
    from gguf import GGMLQuantizationType

    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), 2)
    out += _text("general.architecture") + struct.pack("<I", 8) + _text("wan")
    number = next(int(number) for number, name in FILE_TYPES.items() if name == mix)
    out += _text("general.file_type") + struct.pack("<II", 4, number)
    at = 0
    for name, (shape, kind) in tensors.items():
        out += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        out += struct.pack("<IQ", GGMLQuantizationType[kind], at)
        at += sizes[name] + -sizes[name] % ALIGNMENT
    return out + bytes(-len(out) % ALIGNMENT)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _samples(kinds: set[str]) -> dict[str, bytes]:
    """Random numbers around 0; with the scale, a small weight is about 1 / sqrt(5120)."""
    import torch
    from gguf import GGMLQuantizationType

    from wan.load.gguf_files import random_blocks

    normal = torch.randn(SAMPLE, generator=torch.Generator().manual_seed(0))
    plain = {
        "F8_E4M3": (normal * 64).to(torch.float8_e4m3fn),
        "I8": (normal * 64).clamp(-127, 127).to(torch.int8),
        "BF16": (normal * 0.02).to(torch.bfloat16),
        "F16": (normal * 0.02).to(torch.float16),
    }
    samples = {name: drawn.view(torch.uint8).numpy().tobytes() for name, drawn in plain.items()}
    quantised = kinds - set(BYTES)
    single = normal * 0.02 if quantised else torch.full((1,), 5120**-0.5 / 64)  # scales
    samples["F32"] = single.numpy().tobytes()
    for kind in quantised:
        blocks = random_blocks(SAMPLE // 5120, 5120, GGMLQuantizationType[kind], 0)
        samples[kind] = blocks.tobytes()
    return samples


def _data(sample: bytes, left: int) -> Iterator[bytes]:
    while left > 0:
        yield sample[:left]
        left -= len(sample)
