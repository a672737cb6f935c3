"""The seal of a chunk: the states that the next one starts from, and what every piece was.

    magic               8 bytes
    SHA-256             of all that follows
    binding             SHA-256 of the plan that the pieces belong to
    count               then, for each piece up to this chunk: size and SHA-256
    two lengths, the session's state, the post filter's state

Whole numbers are unsigned, 64 bits, most significant byte first.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from soundreel.work.files import open_regular

_MAGIC = b"SRSTATE2"
_HASH = hashlib.sha256().digest_size
_NUMBER = struct.Struct(">Q")
_PIECE = struct.Struct(f">Q{_HASH}s")

_MAGIC_1 = b"SRSTATE1"
_HEADER_1 = struct.Struct(">8sQ32s")  # magic, size of the last piece, SHA-256 of what follows


NO_STATE = b"\0no state, since the piece was copied"
"""The session's state after a chunk that was not made: nothing can go on from it."""


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """What a piece was when it was sealed."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """binding: SHA-256 of the plan, in hex. pieces: one for each chunk up to the sealed one; None
    in a seal of soundreel 0.1.0's first form, which has no binding ("") and knows the size of the
    last piece only (`last_size`)."""

    binding: str
    pieces: tuple[PieceFacts, ...] | None
    session: bytes
    post: bytes
    last_size: int


def piece_facts(path: Path) -> PieceFacts:
    """Raises OSError."""
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return PieceFacts(file.tell(), digest)


def pack(
    binding: str, pieces: tuple[PieceFacts, ...], session: bytes, post: bytes
) -> tuple[bytes, ...]:
    """The seal as parts to be written one after the other."""
    table = b"".join(_PIECE.pack(one.size, one.sha256) for one in pieces)
    head = bytes.fromhex(binding) + _NUMBER.pack(len(pieces)) + table
    head += _NUMBER.pack(len(session)) + _NUMBER.pack(len(post))
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
    if view[:8] != _MAGIC or view[8 : 8 + _HASH] != hashlib.sha256(body).digest():
        raise ValueError("damaged")
    try:
        binding = bytes(body[:_HASH]).hex()
        (count,) = _NUMBER.unpack_from(body, _HASH)
        at = _HASH + _NUMBER.size + count * _PIECE.size
        table = _PIECE.iter_unpack(body[_HASH + _NUMBER.size : at])
        pieces = tuple(PieceFacts(size, digest) for size, digest in table)
        session, post = _states(body[at:])
    except struct.error as err:
        raise ValueError("too short") from err
    if len(pieces) != count or not pieces:
        raise ValueError("too short")
    return Seal(binding, pieces, session, post, pieces[-1].size)


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
