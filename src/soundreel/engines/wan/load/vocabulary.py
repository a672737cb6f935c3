"""The tokenizer inside a GGUF text encoder, as the sentencepiece model that it was made from.

The file has the pieces with their scores and kinds, and what to do with a text before it is cut:
the table of replaced characters (`precompiled_charsmap`) too. Written as the protocol buffer that
sentencepiece reads (google/sentencepiece, src/sentencepiece_model.proto), field by field.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from soundreel.engines.wan.files.gguf import Values, read_lists
from soundreel.engines.wan.files.headers import read_header

_KEY = "tokenizer.ggml."
_LISTS = ("tokens", "scores", "token_type", "precompiled_charsmap")

_UNIGRAM, _BYTE_PIECE = 1, 6
"""sentencepiece's numbers for the model's type and for a piece that stands for a byte."""


def read_vocabulary(path: Path) -> bytes | None:
    """The sentencepiece model inside a GGUF file; None where there is none.

    Raises InputError for a file that cannot be read, ValueError where its lists do not fit.
    """
    header = read_header(path)
    if header.container != "gguf" or header.metadata.get(f"{_KEY}model") != "t5":
        return None
    with path.open("rb") as file:
        lists = read_lists(file, [_KEY + name for name in _LISTS])
    return _model(lists, header.metadata)


def _model(lists: Mapping[str, Values], metadata: Mapping[str, str]) -> bytes:
    tokens = cast("Sequence[str]", lists.get(f"{_KEY}tokens", []))
    scores, kinds = lists.get(f"{_KEY}scores", ()), lists.get(f"{_KEY}token_type", ())
    if not len(tokens) == len(scores) == len(kinds) > 0:
        raise ValueError(f"{len(tokens)} words, {len(scores)} scores and {len(kinds)} kinds")
    pieces = zip(tokens, cast("Sequence[float]", scores), map(int, kinds), strict=True)
    model = b"".join(_nested(1, _piece(*piece)) for piece in pieces)
    trainer = b"".join(
        (
            _number(3, _UNIGRAM),
            _number(4, len(tokens)),
            _number(35, _BYTE_PIECE in kinds),
            _number(40, _id(metadata, "unknown_token_id", 2)),
            _number(41, -1),  # no token begins a text
            _number(42, _id(metadata, "eos_token_id", 1)),
            _number(43, _id(metadata, "padding_token_id", 0)),
        )
    )
    charsmap = bytes(int(value) & 255 for value in lists.get(f"{_KEY}precompiled_charsmap", ()))
    normaliser = b"".join(
        (
            _nested(2, charsmap) if charsmap else b"",
            _number(3, _flag(metadata, "add_space_prefix")),
            _number(4, _flag(metadata, "remove_extra_whitespaces")),
            _number(5, 1),  # spaces become a visible sign
        )
    )
    return model + _nested(2, trainer) + _nested(3, normaliser)


def _piece(text: str, score: float, kind: int) -> bytes:
    return _nested(1, text.encode()) + _key(2, 5) + struct.pack("<f", score) + _number(3, kind)


def _id(metadata: Mapping[str, str], name: str, usual: int) -> int:
    return int(metadata.get(_KEY + name, usual))


def _flag(metadata: Mapping[str, str], name: str) -> bool:
    return metadata.get(_KEY + name, "True") == "True"


def _key(field: int, kind: int) -> bytes:
    return bytes(_varint(field << 3 | kind))


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + bytes(_varint(int(value) % 2**64))


def _nested(field: int, content: bytes) -> bytes:
    return _key(field, 2) + bytes(_varint(len(content))) + content


def _varint(value: int) -> Iterator[int]:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
