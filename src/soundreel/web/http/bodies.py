"""Bodies as they come: JSON, or a form whose files go straight to the uploads, piece by piece."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from soundreel.web.studio.refusals import Refused, TooLarge
from soundreel.web.studio.service import Studio
from soundreel.web.studio.uploads import Receiver

_MOST_PARTS = 200
_LONGEST_FIELD = 1 << 20
_IN_BRACKETS = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


async def read_body(request: Request, studio: Studio) -> tuple[dict[str, Any], bool]:
    """What it says by name, files as ids of uploads; and whether it is a form, which knows only
    texts. Raises Refused."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        return await _form(request, studio, options.get(b"boundary", b"")), True
    if kind in (b"application/json", b""):
        return await _json(request, studio.limits.body_bytes), False
    raise Refused(415, "unsupported_type", "the body is neither JSON nor multipart/form-data")


async def receive(request: Request, studio: Studio, name: str) -> str:
    """The whole body as one file; the id of the upload."""
    with studio.uploads.receiving(name) as receiver:
        async for piece in request.stream():
            receiver.write(piece)
        return (await run_in_threadpool(studio.keep, receiver)).id


async def _json(request: Request, limit: int) -> dict[str, Any]:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > limit:
            raise TooLarge(limit)
    try:
        body = json.loads(bytes(content) or b"{}")
    except (ValueError, RecursionError) as err:
        raise Refused(400, "invalid_json", "the body is no valid JSON") from err
    if not isinstance(body, dict):
        raise Refused(400, "invalid_json", "the body is no JSON object")
    return body


async def _form(request: Request, studio: Studio, boundary: bytes) -> dict[str, Any]:
    if not 0 < len(boundary) <= 70:
        raise Refused(400, "invalid_form", "the form's boundary is missing")
    left = studio.limits.upload_bytes + studio.limits.body_bytes
    with ExitStack() as stack:
        form = _Form(studio, stack, boundary)
        try:
            async for piece in request.stream():
                left -= len(piece)
                if left < 0:
                    raise TooLarge(studio.limits.upload_bytes)
                form.parser.write(piece)
            form.parser.finalize()
        except FormParserError as err:
            raise Refused(400, "invalid_form", "the form cannot be read") from err
        for name, receiver in form.files.items():
            form.values[name] = (await run_in_threadpool(studio.keep, receiver)).id
    return _nested(form.values)


class _Form:
    """Takes the parser's pieces apart."""

    def __init__(self, studio: Studio, stack: ExitStack, boundary: bytes) -> None:
        self.values: dict[str, Any] = {}
        self.files: dict[str, Receiver] = {}
        self._studio, self._stack = studio, stack
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._field: bytearray | None = None
        self._parts = 0
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Refused(400, "invalid_form", f"a form has at most {_MOST_PARTS} parts")
        self._headers, self._header, self._value = {}, b"", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._name:
            raise Refused(400, "invalid_form", "a part of the form has no name")
        if b"filename" in options:
            named = options[b"filename"].decode("utf-8", "replace")
            receiving = self._studio.uploads.receiving(named)
            self.files[self._name] = self._stack.enter_context(receiving)
            self._field = None
        else:
            self._field = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self.files[self._name].write(data[start:end])
            return
        self._field += data[start:end]
        if len(self._field) > max(_LONGEST_FIELD, self._studio.limits.body_bytes):
            raise TooLarge(self._studio.limits.body_bytes)

    def _end(self) -> None:
        if self._field is not None:
            self.values[self._name] = self._field.decode("utf-8", "replace")


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`audio_reference[audio_url]` is a table in forms."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        found = _IN_BRACKETS.fullmatch(name)
        table = nested.setdefault(found[1], {}) if found else None
        if found and isinstance(table, dict):
            table[found[2]] = value
        else:
            nested[name] = value
    return nested
