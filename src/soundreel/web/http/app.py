"""The application: all routes behind one guard, the page beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from soundreel.installation import __version__
from soundreel.web.http import described, events, metrics, others, problems, reference, videos
from soundreel.web.http.guard import Access, Guard, Rate
from soundreel.web.studio.service import Studio

PAGE = Path(__file__).parents[1] / "page"
"""The page: index.html and what it loads."""


def create_app(studio: Studio, access: Access) -> FastAPI:
    """The studio runs as long as the application does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(studio.start)
        yield
        await run_in_threadpool(studio.stop)

    app = FastAPI(
        title="soundreel", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    limits = studio.limits
    wrong_keys = Rate(limits.keys_per_minute)
    problems.install(app, studio.desk.scrub)
    app.include_router(videos.routes(studio))
    app.include_router(events.routes(studio))
    app.include_router(others.routes(studio, access, wrong_keys))
    app.include_router(others.health(studio))
    app.include_router(reference.routes(app))
    described.install(app)
    metrics.install(app, studio)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    app.add_middleware(
        Guard,
        access=access,
        requests=Rate(limits.requests_per_minute),
        wrong_keys=wrong_keys,
    )
    return app
