"""The seal of a chunk: what its pieces were, and the states that the next one starts from.

    magic               8 bytes
    SHA-256             of all that follows
    length              then so many bytes of JSON, the head: SHA-256 of the plan that the pieces
                        belong to, and each piece by its index: its size, its SHA-256, who made it
    two lengths, the session's state, the post filter's state

Whole numbers are unsigned, 64 bits, most significant byte first. Two earlier forms are read: both
seal all pieces up to theirs.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundreel.work.files import open_regular

_MAGIC = b"SRSTATE3"
_HASH = hashlib.sha256().digest_size
_NUMBER = struct.Struct(">Q")
_MOST_HEAD = 1 << 26

_MAGIC_2 = b"SRSTATE2"
_PIECE_2 = struct.Struct(f">Q{_HASH}s")  # of each piece up to this one, after the plan and a count

_MAGIC_1 = b"SRSTATE1"
_HEADER_1 = struct.Struct(">8sQ32s")  # magic, size of the last piece, SHA-256 of what follows


NO_STATE = b"\0no state, since the piece was copied"
"""The session's state after a chunk that was not made: nothing can go on from it."""


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """What a piece was when it was sealed. by: the hand that made it, "" where it makes no
    difference."""

    size: int
    sha256: bytes
    by: str = ""


@dataclass(frozen=True, slots=True)
class Seal:
    """binding: SHA-256 of the plan, in hex. pieces: what it seals, by index; None in the first form
    of all, which has no binding ("") and knows the size of its last piece only (`last_size`)."""

    binding: str
    pieces: Mapping[int, PieceFacts] | None
    session: bytes
    post: bytes
    last_size: int = 0


def piece_facts(path: Path, by: str = "") -> PieceFacts:
    """Raises OSError."""
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return PieceFacts(file.tell(), digest, by)


def pack(
    binding: str, pieces: Mapping[int, PieceFacts], session: bytes, post: bytes
) -> tuple[bytes, ...]:
    """The seal as parts to be written one after the other."""
    named = {index: [one.size, one.sha256.hex(), one.by] for index, one in pieces.items()}
    text = json.dumps({"plan": binding, "pieces": named}, separators=(",", ":")).encode()
    head = _NUMBER.pack(len(text)) + text + _NUMBER.pack(len(session)) + _NUMBER.pack(len(post))
    digest = hashlib.sha256(head)
    digest.update(session)
    digest.update(post)
    return _MAGIC + digest.digest(), head, session, post


def unpack(data: bytes) -> Seal:
    """Raises ValueError where the bytes are not those of a seal."""
    view = memoryview(data)
    if view[:8] == _MAGIC_1:
        return _unpack_1(view)
    body = view[8 + _HASH :]
    if view[8 : 8 + _HASH] != hashlib.sha256(body).digest():
        raise ValueError("damaged")
    if view[:8] == _MAGIC_2:
        return _unpack_2(body)
    if view[:8] != _MAGIC:
        raise ValueError("of another form")
    try:
        end = _NUMBER.size + _NUMBER.unpack_from(body)[0]
        binding, pieces = _read_head(bytes(body[_NUMBER.size : end]))
        return Seal(binding, pieces, *_states(body[end:]))
    except struct.error as err:
        raise ValueError("too short") from err


def sealed_pieces(path: Path, index: int) -> Collection[int]:
    """The pieces that the seal of piece `index` seals, at a glance: nothing is compared. Raises
    OSError, or ValueError where it cannot be read."""
    with open_regular(path) as file:
        begin = file.read(8 + _HASH + _NUMBER.size)
        if not begin.startswith(_MAGIC):
            return range(index + 1)
        length = int.from_bytes(begin[8 + _HASH :], "big")
        return _read_head(file.read(min(length, _MOST_HEAD)))[1]


def _read_head(text: bytes) -> tuple[str, dict[int, PieceFacts]]:
    try:
        head: dict[str, Any] = json.loads(text)
        pieces = {
            int(index): PieceFacts(int(size), bytes.fromhex(sha256), str(by))
            for index, (size, sha256, by) in head["pieces"].items()
        }
        return str(head["plan"]), pieces
    except (KeyError, TypeError, AttributeError, RecursionError) as err:
        raise ValueError("no head of a seal") from err


def _unpack_2(body: memoryview) -> Seal:
    try:
        binding = bytes(body[:_HASH]).hex()
        (count,) = _NUMBER.unpack_from(body, _HASH)
        at = _HASH + _NUMBER.size + count * _PIECE_2.size
        table = _PIECE_2.iter_unpack(body[_HASH + _NUMBER.size : at])
        pieces = {index: PieceFacts(*facts) for index, facts in enumerate(table)}
        session, post = _states(body[at:])
    except struct.error as err:
        raise ValueError("too short") from err
    if len(pieces) != count or not pieces:
        raise ValueError("too short")
    return Seal(binding, pieces, session, post)


def _unpack_1(view: memoryview) -> Seal:
    try:
        _, size, digest = _HEADER_1.unpack_from(view)
        body = view[_HEADER_1.size :]
        session, post = _states(body)
    except struct.error as err:
        raise ValueError("too short") from err
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("damaged")
    return Seal("", None, session, post, size)


def _states(body: memoryview) -> tuple[bytes, bytes]:
    first, second = struct.unpack_from(">QQ", body)
    states = body[2 * _NUMBER.size :]
    if len(states) != first + second:
        raise ValueError("too short")
    return bytes(states[:first]), bytes(states[first:])
