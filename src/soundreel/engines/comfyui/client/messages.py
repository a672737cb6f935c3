"""What a server says on its socket, as values. Nothing that it can say breaks the reading."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

FEATURE_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""Sent first: previews then name their prompt and node (binary type 4 instead of type 1)."""

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_MIME_TYPES = {1: "image/jpeg", 2: "image/png"}
_KINDS = frozenset(
    {
        "execution_start", "executing", "progress",
        "execution_success", "execution_error", "execution_interrupted",
    }
)  # fmt: skip

_Name = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
_Count = Annotated[float, Field(ge=0, le=2**31, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _Data(_Model):
    prompt_id: _Name = ""
    node: str | None = None
    value: Annotated[_Count, BeforeValidator(lambda value: value or 0)] = 0
    max: Annotated[_Count, BeforeValidator(lambda value: value or 0)] = 0


class _Text(_Model):
    type: str
    data: _Data


class _About(_Model):
    image_type: str = "image/jpeg"
    prompt_id: _Name = ""
    node_id: _Name = ""


@dataclass(frozen=True, slots=True)
class TextMessage:
    """type: one of _KINDS. prompt_id is "" where the message names none.
    value, maximum: of `progress`."""

    type: str
    prompt_id: str
    node: str | None = None
    value: int = 0
    maximum: int = 0


@dataclass(frozen=True, slots=True)
class PreviewMessage:
    """A picture: of the state of sampling, or (PNG) one that a node sends as its output. Old
    servers name neither prompt nor node ("")."""

    image: bytes
    mime_type: str
    prompt_id: str = ""
    node_id: str = ""


Message = TextMessage | PreviewMessage


def parse_message(raw: str | bytes) -> Message | None:
    """One socket message; None for kinds that do not concern us and for damaged ones."""
    try:
        return _parse_text(raw) if isinstance(raw, str) else _parse_binary(raw)
    except (ValidationError, KeyError, struct.error):
        return None


def _parse_text(raw: str) -> TextMessage | None:
    message = _Text.model_validate_json(raw)
    if message.type not in _KINDS:
        return None
    data = message.data
    return TextMessage(message.type, data.prompt_id, data.node, int(data.value), int(data.max))


def _parse_binary(raw: bytes) -> PreviewMessage | None:
    kind, number = struct.unpack_from(">II", raw)
    if kind == _PREVIEW:  # number: the picture's format
        return PreviewMessage(raw[8:], _MIME_TYPES[number])
    if kind == _PREVIEW_WITH_METADATA:  # number: bytes of JSON
        about = _About.model_validate_json(raw[8 : 8 + number])
        return PreviewMessage(raw[8 + number :], about.image_type, about.prompt_id, about.node_id)
    return None
