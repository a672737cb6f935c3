"""`/docs`: the OpenAPI description as a page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse


def routes(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def show() -> HTMLResponse:
        return HTMLResponse("\n".join(_lines(app.openapi())))

    return router


def _lines(described: Mapping[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield "<meta name=viewport content='width=device-width'><title>soundreel: HTTP</title>"
    yield f"<h1>soundreel {escape(described['info']['version'])}</h1>"
    yield "<p>The same as <a href=/openapi.json>openapi.json</a>.</p>"
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', operation.get('summary', '')))}</p>"
            yield from _parameters(operation)
    for name, schema in described["components"]["schemas"].items():
        yield f"<h2 id='{escape(name)}'>{escape(name)}</h2><dl>"
        for field, about in schema.get("properties", {}).items():
            yield f"<dt><code>{escape(field)}</code></dt>"
            yield f"<dd>{escape(str(about.get('description', about.get('type', ''))))}</dd>"
        yield "</dl>"


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    names = [f"{each['name']} ({each['in']})" for each in operation.get("parameters", [])]
    if names:
        yield f"<p>{escape(', '.join(names))}</p>"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        if name:
            yield f"<p>Body: <a href='#{escape(name)}'>{escape(name)}</a></p>"
            return
