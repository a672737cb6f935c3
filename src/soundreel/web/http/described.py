"""What the OpenAPI description says beside the routes' signatures."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from soundreel.installation import __version__
from soundreel.web.asked.schema import request_schema

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "hint": {"type": "string"},
                "rule": {"type": "string"},
                "fields": {"type": "object"},
            },
        }
    },
}
_REMIX = {
    "type": "object",
    "properties": {
        "shot": {"type": "integer", "minimum": 1, "description": "Only this shot again."},
        "chunk": {"type": "integer", "minimum": 1, "description": "From this part on."},
        "prompt": {"type": "string"},
        "negative_prompt": {"type": "string"},
        "seed": {"type": "integer"},
    },
}
_VIDEO = {
    "type": "object",
    "required": ["id", "object", "status", "progress", "created_at", "model", "seconds", "size"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "video"},
        "status": {"enum": ["queued", "in_progress", "completed", "failed"]},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "created_at": {"type": "integer"},
        "model": {"type": "string"},
        "seconds": {"type": "string"},
        "size": {"type": "string"},
        "error": {"type": ["object", "null"]},
    },
}
VIDEO: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Video"}}}}
}


def body_of(name: str) -> dict[str, Any]:
    """Of an operation whose body is read by `bodies.read_body`."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    if name == "Upload":
        content: dict[str, Any] = {"application/octet-stream": {"schema": {}}}
    else:
        content = {
            "application/json": {"schema": schema},
            "multipart/form-data": {"schema": schema},
        }
    return {"requestBody": {"content": content}}


def install(app: FastAPI) -> None:
    """The description that the app gives, with our schemas in it."""

    @cache
    def described() -> dict[str, Any]:
        made = get_openapi(title="soundreel", version=__version__, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        schemas |= {"VideoRequest": request_schema(), "RemixRequest": _REMIX}
        schemas |= {"Video": _VIDEO, "Error": _ERROR}
        refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                operation["responses"]["4XX"] = {"description": "Refused", "content": refused}
        return made

    app.openapi = described  # type: ignore[method-assign]
