"""What the studio answers where it does not do what is asked: a status, a code, words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """status: of HTTP. The document is what a client gets under "error"."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.document: Mapping[str, Any] = {"code": code, "message": message, "hint": hint, **more}


class NoSuchJob(Refused):
    def __init__(self) -> None:
        super().__init__(404, "not_found", "there is no such video", "GET /v1/videos lists them")


class TooLarge(Refused):
    def __init__(self, limit: int) -> None:
        super().__init__(
            413,
            "too_large",
            f"it is larger than {limit >> 20} MiB",
            "give a shorter or smaller one",
        )
