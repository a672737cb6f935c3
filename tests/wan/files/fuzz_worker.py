"""Reads mutated weight files one after the other: `python fuzz_worker.py KIND FIRST COUNT FOLDER`.

A process of its own, so that memory can be limited and a hang or a crash names its mutant. Mutant N
of a kind is the same everywhere: its seed is `KIND N`.
"""

from __future__ import annotations

import io
import json
import random
import resource
import shutil
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from soundreel.engines.tensors import TensorHeader
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.lookup import given, scan
from soundreel.engines.wan.files.places import Place
from soundreel.errors import SoundreelError
from wan.files.weight_files import find_weights, key_lists, write_gguf, write_sparse

ODD: tuple[object, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64, 10**400, 1e308, "", "x" * 5000, [], {}, [[]]),
    *({"a": []}, "../../etc/passwd", "/dev/zero", "a\x00b", "\x1b[2J", [0] * 3000, {"": {"": {}}}),
)


def main(kind: str, first: int, count: int, folder: Path) -> None:
    megabytes = 8192 if kind == "config" else 512  # torch reserves much more than it uses
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
    start = START[kind](folder)
    for number in range(first, first + count):
        say("begin", number)
        begun = time.process_time()
        said = READ[kind](folder, mutant(start, random.Random(f"{kind} {number}")))
        say("end", number, round(time.process_time() - begun, 2), said)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def mutant(start: bytes, dice: random.Random) -> bytes:
    body = bytearray(start)
    if dice.random() < 0.5 and start[:1] == b"{":
        return odd_value(start, dice)
    if dice.random() < 0.3 and start[8:9] == b"{":
        text = odd_value(start[8 : 8 + struct.unpack("<Q", start[:8])[0]], dice)
        return struct.pack("<Q", len(text)) + text + start[-64:]
    for _ in range(dice.choice([1, 1, 2, 5])):
        dice.choice(CHANGES)(body, dice)
    return bytes(body)


def odd_value(text: bytes, dice: random.Random) -> bytes:
    """One value anywhere in a JSON text becomes something else."""
    tree = json.loads(text)
    here, path = tree, list[tuple[Any, Any]]()
    while isinstance(here, dict | list) and here and (not path or dice.random() < 0.7):
        key = dice.choice(list(here) if isinstance(here, dict) else range(len(here)))
        path.append((here, key))
        here = here[key]
    where, key = dice.choice(path)
    where[key] = dice.choice(ODD)
    if dice.random() < 0.1:
        return b"[" * 100_000 + json.dumps(tree).encode()
    return json.dumps(tree).encode()


def flip(body: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 3, 20])):
        body[dice.randrange(len(body))] = dice.randrange(256)


def extreme(body: bytearray, dice: random.Random) -> None:
    """A number of 1 to 8 bytes becomes the least, the greatest, or one in between."""
    width = dice.choice([1, 2, 4, 8])
    number = dice.choice([0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), len(body), 2**20])
    at = dice.randrange(len(body))
    body[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")


def cut(body: bytearray, dice: random.Random) -> None:
    del body[dice.randrange(1, max(2, len(body))) :]


def repeat(body: bytearray, dice: random.Random) -> None:
    at, length = dice.randrange(len(body)), dice.choice([1, 8, 100])
    body[at:at] = body[at : at + length] * dice.choice([1, 5, 500])


def insert_steps(body: bytearray, dice: random.Random) -> None:
    """Instructions of a pickle, memo and marks among them."""
    steps: tuple[bytes, ...] = (
        b"(",
        b"\x86",
        b"h\x00",
        b"q\x00",
        b"r\xff\xff\xff\x7f",
        b"0",
        b"u",
        b"s",
        b"R",
        b"}",
    )
    steps += (b"]", b"a", b"e", b"\x85", b"b", b"Q", b"cos\nsystem\n", b"t", b"2", b"d", b"\x94")
    at = dice.randrange(len(body))
    body[at:at] = b"".join(dice.choices(steps, k=dice.choice([1, 4, 40])))


CHANGES = (flip, extreme, cut, repeat, insert_steps)


S2V = key_lists()["s2v_bf16"]
VAE = {
    "decoder.middle.0.residual.0.gamma": ([4, 1, 1, 1], "F16"),
    "conv2.weight": ([16, 16, 1, 1, 1], "F16"),
}


def safetensors(folder: Path) -> bytes:
    note = b'{"format": "float8_e4m3fn"}'
    tensors = {
        **VAE,
        "a.comfy_quant": ([len(note)], "U8"),
    }
    metadata = {"_quantization_metadata": json.dumps({"layers": {"b": json.loads(note)}})}
    start = write_sparse(folder / "start.safetensors", tensors, metadata).read_bytes()
    return start[: -len(note)] + note  # bytes stand behind what is wider


def torch_pickle(folder: Path) -> bytes:
    """What torch.save writes for two tensors, written without torch."""
    out = b"\x80\x02}q\x00("
    for name, (shape, _) in VAE.items():
        out += b"X" + struct.pack("<I", len(name)) + name.encode()
        out += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        out += b"X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        out += b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"
        out += b"K\x00(" + b"".join(b"K" + bytes([side]) for side in shape) + b"t"
        out += b"(K\x01t\x89ccollections\nOrderedDict\n)RtR"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("x/data.pkl", out + b"u.")
        zipped.writestr("x/data/0", bytes(64))
    return archive.getvalue()


def gguf(folder: Path) -> bytes:
    tensors = {
        "blocks.0.self_attn.q.weight": ([256, 256], 12),
        "patch_embedding.weight": ([256, 16, 1, 2, 2], 0),
    }
    return write_gguf(folder / "start.gguf", "wan", tensors, 100_000).read_bytes()


def index(folder: Path) -> bytes:
    write_sparse(folder / "part.safetensors", VAE)
    table = dict.fromkeys(VAE, "part.safetensors")
    return json.dumps({"metadata": {"total_size": 8}, "weight_map": table}).encode()


def config(folder: Path) -> bytes:
    """A VAE's; the model beside it is a tiny one."""
    import torch

    from wan.model_folder import make_part

    torch.set_num_threads(1)
    return (make_part(folder / "model", "vae") / "config.json").read_bytes()


def read_as(name: str) -> Callable[[Path, bytes], str]:
    def read(folder: Path, content: bytes) -> str:
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / name).write_bytes(content)
        if name.endswith(".json"):
            shutil.copy(folder / "part.safetensors", place)
        found = list(scan([Place("models_dir", place)]))
        assert all(item.problem for item in found if item.kind is Kind.UNKNOWN and not item.files)
        nowhere = {"COMFYUI_PATH": str(folder / "no"), "HF_HUB_CACHE": str(folder / "no")}
        find_weights((place,), nowhere)
        said = refused(lambda: given(place / name, "vae"))
        return f"{said}, {' '.join(item.kind.name for item in found)}"

    return read


def read_config(folder: Path, content: bytes) -> str:
    """By the model that it describes, and by the two others, which take other fields of it."""
    import torch

    from soundreel.engines.wan.load.configs import audio_fields, config_beside
    from soundreel.engines.wan.load.models import load_vae
    from soundreel.engines.wan.model.names import infer_config

    path = folder / "model" / "vae" / "config.json"
    path.write_bytes(content)
    found = given(path.parent, "vae")
    said = refused(lambda: load_vae(found, device=torch.device("cpu")))
    refused(lambda: audio_fields(path))
    shapes = {name: TensorHeader(dtype, tuple(shape)) for name, (shape, dtype) in S2V.items()}
    refused(lambda: infer_config(shapes, config_beside(path)))
    return said


def refused(use: Callable[[], object]) -> str:
    try:
        use()
    except SoundreelError as error:
        return "refused" if error.message and error.hint else "without a word"
    return "read"


START: dict[str, Callable[[Path], bytes]] = {
    "safetensors": safetensors,
    "pickle": torch_pickle,
    "gguf": gguf,
    "index": index,
    "config": config,
}
READ: dict[str, Callable[[Path, bytes], str]] = {
    "safetensors": read_as("x.safetensors"),
    "pickle": read_as("x.pth"),
    "gguf": read_as("x.gguf"),
    "index": read_as("x.safetensors.index.json"),
    "config": read_config,
}

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
