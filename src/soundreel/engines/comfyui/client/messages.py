"""What a server says on its socket, as values."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEATURE_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""Sent first: previews then name their prompt and node (binary type 4 instead of type 1)."""

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_MIME_TYPES = {1: "image/jpeg", 2: "image/png"}


@dataclass(frozen=True, slots=True)
class TextMessage:
    """type: "status", "execution_start", "executing", "progress", "executed", ...
    prompt_id is "" where the message names none."""

    type: str
    data: Mapping[str, Any]

    @property
    def prompt_id(self) -> str:
        return str(self.data.get("prompt_id") or "")


@dataclass(frozen=True, slots=True)
class PreviewMessage:
    """A picture of the state of sampling; old servers name neither prompt nor node ("")."""

    image: bytes
    mime_type: str
    prompt_id: str = ""
    node_id: str = ""


Message = TextMessage | PreviewMessage


def parse_message(raw: str | bytes) -> Message | None:
    """One socket message; None for kinds that do not concern us and for damaged ones."""
    try:
        return _parse_text(raw) if isinstance(raw, str) else _parse_binary(raw)
    except (ValueError, KeyError, struct.error):
        return None


def _parse_text(raw: str) -> TextMessage | None:
    message = json.loads(raw)
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        return None
    return TextMessage(str(message["type"]), message["data"])


def _parse_binary(raw: bytes) -> PreviewMessage | None:
    kind, number = struct.unpack_from(">II", raw)
    if kind == _PREVIEW:  # number: the picture's format
        return PreviewMessage(raw[8:], _MIME_TYPES[number])
    if kind == _PREVIEW_WITH_METADATA:  # number: bytes of JSON
        about = json.loads(raw[8 : 8 + number])
        return PreviewMessage(
            raw[8 + number :],
            str(about.get("image_type", "image/jpeg")),
            str(about.get("prompt_id") or ""),
            str(about.get("node_id") or ""),
        )
    return None
