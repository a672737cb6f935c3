"""`/metrics` for Prometheus, with a registry of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundreel.web.studio.service import Studio

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATUSES = ("queued", "in_progress", "completed", "failed")


def install(app: FastAPI, studio: Studio) -> None:
    registry = CollectorRegistry()
    registry.register(_Jobs(studio))
    app.add_middleware(_Requests, registry=registry)

    @app.get("/metrics", tags=["health"])
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=_TYPE)


class _Jobs(Collector):
    """Asked when somebody looks."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("soundreel_jobs", "Jobs by status", labels=["status"])
        counts = self._studio.store.counts()
        for status in _STATUSES:
            jobs.add_metric([status], counts.get(status, 0))
        yield jobs
        size = self._studio.shelf.size
        yield GaugeMetricFamily("soundreel_disk_bytes", "Uploads and videos", value=size)


class _Requests:
    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ["method", "status"]
        self._count = Counter("soundreel_requests", "Requests", labels, registry=registry)
        self._seconds = Histogram(
            "soundreel_request_seconds", "Until the answer begins", registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._seconds.observe(time.monotonic() - began)
                self._count.labels(scope["method"], str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, sent)
