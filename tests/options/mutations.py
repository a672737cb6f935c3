"""Odd values and odd changes, the same for the same seed."""

from __future__ import annotations

import copy
import datetime
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

JSON_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**64, -(2**63), 10**40, 10**400),
    *(0.0, -0.0, 0.5, 1e-300, 1e300, float("nan"), float("inf"), -float("inf")),
    *("", " ", "x", "none", "auto", "wan", "comfyui", "preview", "fake", "film", "flow", "fast"),
    *("0", "-1", "1:75", "1:30.5", "1/0", "0/1", "1/3", "9" * 4500, "1e9999", "832x1216"),
    *("\0", "a\0b", "\ud800", "\udcff", "\x1b[2J", "\u202e", "\u2028", "a" * 300, "a" * 100_000),
    *("..", "../..", "/", "/etc/passwd", "/dev/zero", "~", "C:\\x", "`width=3`", "{}", "%s"),
    *([], [[]], [None], ["a"], [1, 2], {}, {"a": 1}, {"": None}, {"name": "x"}),
)
"""What JSON and TOML can hold, more or less."""

PYTHON_VALUES: tuple[Any, ...] = (
    *JSON_VALUES,
    *(b"", b"a.wav", bytearray(b"x"), 1j, object(), object, print, NotImplemented, ...),
    *((), ("a", 1), {1, 2}, frozenset(), range(3), iter(()), {1: 2}, {"lora": [object()]}),
    *(Fraction(1, 3), Fraction(10**5000), Fraction(1, 10**5000), Decimal("NaN"), Decimal("1.5")),
    *(10**5000, -(10**5000), np.int64(64), np.float32("nan"), np.array([1, 2]), np.bool_(True)),
    *(Path(), Path("/dev/null"), Path("/dev/full"), Path("a\0b"), Path("x" * 5000), Path("/")),
    *(datetime.date(2020, 1, 1), datetime.timedelta(seconds=3), KeyError("x")),
)


def changed(tree: Any, chance: random.Random, values: tuple[Any, ...] = JSON_VALUES) -> Any:
    """A copy of the tree with one to three places set, removed, renamed, wrapped or doubled."""
    tree = copy.deepcopy(tree)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(tree))
        if places:
            _change(*chance.choice(places), chance, values)
    return tree


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in it."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in items:
        found.append((tree, key))
        if isinstance(value, (dict, list)):
            found += _places(value)
    return found


def _change(owner: Any, key: Any, chance: random.Random, values: tuple[Any, ...]) -> None:
    value = owner[key]
    match chance.randrange(8):
        case 0:
            del owner[key]
        case 1 if isinstance(owner, dict):
            owner[chance.choice(["", "x", "audio", "\ud800", "a\0", "options", "width"])] = value
        case 2:
            owner[key] = [value]
        case 3:
            owner[key] = {"name": value}
        case 4 if isinstance(value, str) and value:
            at = chance.randrange(len(value))
            owner[key] = (
                value[:at] + chance.choice(["", "\0", "\ud800", "9", "/", '"']) + value[at:]
            )
        case _:
            owner[key] = copy.copy(chance.choice(values))


def broken(data: bytes, chance: random.Random) -> bytes:
    """Bytes that were cut, doubled, overwritten or turned."""
    changes = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changes) or 1)
        match chance.randrange(5):
            case 0:
                del changes[at:]
            case 1:
                del changes[at : at + chance.randint(1, 20)]
            case 2:
                changes[at:at] = changes[at : at + chance.randint(1, 40)]
            case 3:
                changes[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                changes[at:at] = chance.choice([b"[", b"{", b'"', b"\xff", b"\0", b"=", b"\\u"])
    return bytes(changes)
