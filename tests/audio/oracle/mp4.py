"""A few tools to write the index of an MP4 anew, as untidy programs write it.

Boxes are nested lists of [name, content]; ffmpeg puts the index (moov) last, so that nothing behind
it moves when it grows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Tree: TypeAlias = list[tuple[bytes, "Tree | bytes"]]

_INNER = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})


def load(path: Path) -> Tree:
    return _parse(path.read_bytes())


def save(path: Path, tree: Tree) -> Path:
    path.write_bytes(_build(tree))
    return path


def set_durations(path: Path, durations: list[int], timescale: int) -> None:
    """Let the only track's table say other durations of its packets, in another unit."""

    def change(name: bytes, body: bytes) -> bytes:
        if name == b"stts":
            rows = b"".join(struct.pack(">II", 1, duration) for duration in durations)
            return struct.pack(">II", 0, len(durations)) + rows
        if name == b"mdhd":
            return body[:12] + struct.pack(">II", timescale, sum(durations)) + body[20:]
        return body

    save(path, _mapped(load(path), change))


def count_packets(path: Path) -> int:
    sizes: list[int] = []

    def look(name: bytes, body: bytes) -> bytes:
        if name == b"stsz":
            sizes.append(struct.unpack(">I", body[8:12])[0])
        return body

    _mapped(load(path), look)
    return sizes[0]


def drop(path: Path, *names: bytes) -> None:
    """Leave boxes out, wherever they are."""
    save(path, _without(load(path), frozenset(names)))


def add_to_moov(path: Path, name: bytes, body: bytes) -> None:
    tree = load(path)
    save(path, [
        (kind, [*inner, (name, body)] if kind == b"moov" and isinstance(inner, list) else inner)
        for kind, inner in tree
    ])  # fmt: skip


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def itunes_tag(priming: int, padding: int, samples: int) -> bytes:
    """The body of `udta` with iTunSMPB in it, as iTunes writes it."""
    text = f" 00000000 {priming:08X} {padding:08X} {samples:016X}" + " 00000000" * 8
    free = box(b"mean", bytes(4) + b"com.apple.iTunes") + box(b"name", bytes(4) + b"iTunSMPB")
    free += box(b"data", struct.pack(">II", 1, 0) + text.encode())
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return box(b"meta", bytes(4) + handler + box(b"ilst", box(b"----", free)))


def _parse(data: bytes) -> Tree:
    tree: Tree = []
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + size]
        tree.append((name, _parse(body) if name in _INNER else body))
        at += size
    return tree


def _build(tree: Tree) -> bytes:
    return b"".join(
        box(name, _build(body) if isinstance(body, list) else body) for name, body in tree
    )


def _mapped(tree: Tree, change: Callable[[bytes, bytes], bytes]) -> Tree:
    return [
        (name, _mapped(body, change) if isinstance(body, list) else change(name, body))
        for name, body in tree
    ]


def _without(tree: Tree, names: frozenset[bytes]) -> Tree:
    return [
        (name, _without(body, names) if isinstance(body, list) else body)
        for name, body in tree
        if name not in names
    ]
