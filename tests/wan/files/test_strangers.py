"""Anything may lie in a models folder: each file's fault is a line about it, and the rest works."""

from __future__ import annotations

import io
import json
import os
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soundreel.cli.app import run
from soundreel.engines.wan.files.formats import Kind
from soundreel.engines.wan.files.headers import read_header
from soundreel.engines.wan.files.lookup import given, scan
from soundreel.engines.wan.files.places import Place, extra_folders, places
from soundreel.errors import EngineUnavailable, InputError
from soundreel.safe.text import shown
from wan.files.weight_files import find_weights, key_lists, write_sparse


@contextmanager
def bounded(seconds: float = 8, megabytes: float = 300) -> Iterator[None]:
    """Fails where what it holds takes more time of the CPU, or more memory."""
    tracemalloc.start(1)
    begun = time.process_time()
    try:
        yield
        assert time.process_time() - begun < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


def safetensors(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def zipped(content: bytes, name: str = "x/data.pkl", how: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def doubling_dict() -> bytes:
    """A dictionary that holds one twice, that holds one twice, ...: 2^60 leaves in 700 bytes."""
    levels = b"".join(
        b"}(X\x01\x00\x00\x00ah%cX\x01\x00\x00\x00bh%cuq%c" % (n, n, n + 1) for n in range(60)
    )
    return zipped(b"\x80\x02}q\x00" + levels + b".")


def doubling_key() -> bytes:
    """As a key, a tuple of a tuple twice, ...: its hash takes 2^60 steps."""
    levels = b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    return zipped(b"\x80\x02}K\x01\x85q\x00" + levels + b"N" + b"s.")


def many_entries() -> bytes:
    """A zip of 100,000 empty members: a gigabyte of objects in the standard library."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x", b"")
    start = out.getvalue()
    local, rest = start[: start.index(b"PK\x01\x02")], start[start.index(b"PK\x01\x02") :]
    entry = rest[: rest.index(b"PK\x05\x06")]
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, 65535, 65535, len(entry) * 100_000, len(local), 0
    )
    return local + entry * 100_000 + end


def gguf(kind: int, body: bytes, pairs: int = 1, tensors: int = 0) -> bytes:
    return (
        struct.pack("<4sIQQ", b"GGUF", 3, tensors, pairs)
        + struct.pack("<Q1sI", 1, b"a", kind)
        + body
    )


ATTACKS: dict[str, Callable[[], bytes]] = {
    "empty.safetensors": lambda: b"",
    "deep.safetensors": lambda: safetensors(b'{"a":' + b"[" * 1_000_000),
    "wide.safetensors": lambda: safetensors(b'{"a":[' + b"[]," * 8_000_000 + b"[]]}"),
    "list.safetensors": lambda: safetensors(b"[1, 2]"),
    "null.safetensors": lambda: safetensors(b'{"a": null}'),
    "huge-number.safetensors": lambda: safetensors(
        b'{"a": {"dtype": "F32", "shape": [%s], "data_offsets": [0, 4]}}' % (b"9" * 1_000_000)
    ),
    "many-sides.safetensors": lambda: safetensors(
        b'{"a": {"dtype": "F32", "shape": [%s2], "data_offsets": [0, 4]}}' % (b"4000," * 300_000)
    ),
    "cut.safetensors": lambda: struct.pack("<Q", 30_000_000) + b'{"a": 1',
    "metadata.safetensors": lambda: safetensors(
        b'{"__metadata__": {"_quantization_metadata": "{\\"layers\\": [1]}"}}'
    ),
    "dict.pth": doubling_dict,
    "key.pth": doubling_key,
    "cycle.pth": lambda: zipped(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."),
    "size.pth": lambda: zipped(b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f."),
    "no-mark.pth": lambda: zipped(b"\x80\x02}u."),
    "bomb.pth": lambda: zipped(bytes(400_000_000), how=zipfile.ZIP_DEFLATED),
    "code.pt": lambda: zipped(bytes(100_000_000), "x/code/a.py", zipfile.ZIP_DEFLATED),
    "bzip.pth": lambda: zipped(bytes(1000), how=zipfile.ZIP_BZIP2),
    "entries.pth": many_entries,
    "texts.gguf": lambda: gguf(9, struct.pack("<IQ", 8, 7_000_000) + bytes(60_000_000)),
    "endless.gguf": lambda: gguf(9, struct.pack("<IQ", 0, 2**62)),
    "nested.gguf": lambda: gguf(9, struct.pack("<IQ", 9, 1) * 100_000),
    "text.gguf": lambda: gguf(8, struct.pack("<Q", 2**62)),
    "pairs.gguf": lambda: gguf(0, b"\0", pairs=2**63),
    "no-object.safetensors.index.json": lambda: b"{}",
    "list.safetensors.index.json": lambda: b"[]",
    "half.safetensors.index.json": lambda: b'{"weight_map": {"a": "b.safe',
    "odd.safetensors.index.json": lambda: b'{"weight_map": {"a": {}, "b": [1]}}',
    "latin.safetensors.index.json": lambda: b'{"weight_map": {"a": "Gr\xfc\xdfe"}}',
    "elsewhere.safetensors.index.json": lambda: b'{"weight_map": {"a": "../../../etc/passwd"}}',
    "long.safetensors.index.json": lambda: b'{"weight_map": {"a": "%s"}}' % (b"x" * 5000),
    "deep.safetensors.index.json": lambda: b'{"weight_map":' + b"[" * 200_000,
    "bom.safetensors.index.json": lambda: b"\xff\xfe{\x00}\x00",
    "evil-\x1b[2J\u202e.safetensors": lambda: b"\x1b[31m",
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS, ids=lambda name: shown(name))
def test_a_bad_file_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ATTACKS[name]())
    with bounded():
        (found,) = scan([Place("models_dir", tmp_path)])
        assert found.kind is Kind.UNKNOWN
        assert found.problem
        with pytest.raises(InputError) as caught:
            given(tmp_path / name, "vae")
    assert caught.value.hint


def test_a_bad_file_hides_no_good_one(tmp_path: Path) -> None:
    light = [name for name, make in ATTACKS.items() if "bomb" not in name and "wide" not in name]
    for name in light:
        (tmp_path / name).write_bytes(ATTACKS[name]())
    good = write_sparse(tmp_path / "good.safetensors", key_lists()["vae_comfy"])
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "nowhere.safetensors").symlink_to(tmp_path / "nothing")
    nowhere = {"COMFYUI_PATH": str(tmp_path / "no"), "HF_HUB_CACHE": str(tmp_path / "no")}
    found = list(scan([Place("models_dir", tmp_path)]))
    assert len([item for item in found if item.problem]) == len(light)
    weights = find_weights((tmp_path,), nowhere)
    assert weights.vae is not None
    assert weights.vae.path == good
    with pytest.raises(EngineUnavailable, match="no weights for: transformer"):
        weights.require()


def test_the_commands_go_on_beside_bad_files(
    tone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`models` has a line for each, and plain `soundreel AUDIO` takes the engine that can run."""
    root = tmp_path / "ComfyUI"
    folder = root / "models" / "vae"
    folder.mkdir(parents=True)
    (root / "folder_paths.py").write_text("")
    (root / "extra_model_paths.yaml").write_bytes("Grü: \xfc".encode("latin-1"))
    bad = ["no-object.safetensors.index.json", "deep.safetensors", "dict.pth", "key.pth"]
    for name in bad:
        (folder / name).write_bytes(ATTACKS[name]())
    monkeypatch.setenv("COMFYUI_PATH", str(root))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no"))
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.split("cannot be read:")[1].splitlines()
    for name in (*bad, "extra_model_paths.yaml"):
        assert sum(name in line for line in lines) >= 1
    assert run(["plan", str(tone), "--url", "http://127.0.0.1:9"]) == 0
    assert "engine preview" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_what_is_not_a_file_is_not_opened(target: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_header(tmp_path / target)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    write_sparse(tmp_path / "good.safetensors", key_lists()["vae_comfy"])
    (tmp_path / "closed").mkdir(mode=0)
    found = list(scan([Place("models_dir", tmp_path)]))
    assert [item.kind for item in found] == [Kind.VAE, Kind.UNKNOWN]
    assert "Permission denied" in found[1].problem


UNUSUAL = {
    "memo.pth": lambda: zipped(b"\x80\x02}r\xff\xff\xff\xff."),
    "array.gguf": lambda: gguf(9, struct.pack("<IQ", 0, 60_000_000) + bytes(60_000_000)),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_only_unusual_is_read_in_no_time(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(UNUSUAL[name]())
    with bounded(seconds=3):
        assert not read_header(tmp_path / name).tensors


MERGES = "a0: &a0 {x: y}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}], k{n}: 1}}\n" for n in range(60)
)


@pytest.mark.parametrize(
    "content",
    [
        "Gr\xfc\xdfe:\n  base_path: /m\xfcller\n".encode("latin-1"),
        b"first: [1, 2]\n",
        b"- a\n- b\n",
        b"just words",
        b"first: {base_path: 3}\n",
        b"first: {unet: [a, b]}\n",
        b"first: {base_path: ~nobody-of-that-name/x, unet: a}\n",
        b"[" * 30_000,
        b"- " * 15_000,
        b"a: b\n" * 100_000,
        b"first: !!python/object/apply:os.system ['true']\n",
        b"\x00\x01\x02",
        b"first: {unet: 'a",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_bad_extra_model_paths_is_one_line(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    root = tmp_path / "ComfyUI"
    (root / "models").mkdir(parents=True)
    (root / "folder_paths.py").write_text("")
    (root / "extra_model_paths.yaml").write_bytes(content)
    write_sparse(root / "models" / "vae" / "good.safetensors", key_lists()["vae_comfy"])
    environ = {"COMFYUI_PATH": str(root), "HF_HUB_CACHE": str(tmp_path / "no")}
    with bounded():
        where = places((), environ)
        found = list(scan(where))
    assert [item.kind for item in found] == [Kind.VAE, Kind.UNKNOWN]
    assert "extra_model_paths.yaml" in found[1].problem


def test_merged_sections_take_no_time(tmp_path: Path) -> None:
    """2^60 entries, where each copy is copied."""
    pytest.importorskip("yaml")
    path = tmp_path / "extra_model_paths.yaml"
    path.write_text(MERGES)
    with bounded(seconds=2):
        assert extra_folders(path) == []


def test_the_bounds_are_far_above_what_is_published(tmp_path: Path) -> None:
    """A vocabulary of 256,000 words, and a trainer's megabytes of statistics, are read."""
    words = b"".join(struct.pack("<Q", 5) + b"words" for _ in range(256_000))
    (tmp_path / "a.gguf").write_bytes(gguf(9, struct.pack("<IQ", 8, 256_000) + words))
    assert read_header(tmp_path / "a.gguf").metadata["a"] == "[256000 values]"
    statistics = {"ss_tag_frequency": json.dumps({f"tag {n}": n for n in range(200_000)})}
    tensors = {"blocks.0.ffn.0.lora_down.weight": ([4, 8], "F32")}
    path = write_sparse(tmp_path / "b.safetensors", tensors, statistics)
    assert len(read_header(path).tensors) == 1
