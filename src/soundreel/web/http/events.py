"""What goes on, as server-sent events: the latest state, as often as a client can take it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from soundreel.web.studio.refusals import NoSuchJob
from soundreel.web.studio.service import Studio

_EVERY_S = 0.2
"""What changes more often is told once."""
_PING_S = 15


def routes(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["events"])

    @router.get("/videos/{video_id}/events", response_class=EventSourceResponse)
    async def of_one(video_id: str) -> EventSourceResponse:
        """`video`: the video object, now and whenever it changed, until it has ended;
        `removed` where it is gone."""
        await run_in_threadpool(studio.job, video_id)
        return EventSourceResponse(_states(studio, video_id), ping=_PING_S)

    @router.get("/events", response_class=EventSourceResponse)
    async def of_all() -> EventSourceResponse:
        """`video`: the object of any video that changed; `removed`: the id of one that is gone.
        What was before it begins is told by GET /v1/videos."""
        return EventSourceResponse(_changes(studio), ping=_PING_S)

    return router


async def _states(studio: Studio, key: str) -> AsyncIterator[ServerSentEvent]:
    async for _ in _ticks(studio):
        event = await run_in_threadpool(_told, studio, key)
        yield event
        if event.event == "removed" or json.loads(str(event.data))["status"] in (
            "completed",
            "failed",
        ):
            return


async def _changes(studio: Studio) -> AsyncIterator[ServerSentEvent]:
    count = studio.live.count
    async for _ in _ticks(studio):
        keys, count = studio.live.changed_since(count)
        for key in keys:
            yield await run_in_threadpool(_told, studio, key)


def _told(studio: Studio, key: str) -> ServerSentEvent:
    try:
        return ServerSentEvent(json.dumps(studio.video(studio.job(key))), event="video")
    except NoSuchJob:
        return ServerSentEvent(json.dumps({"id": key}), event="removed")


async def _ticks(studio: Studio) -> AsyncIterator[None]:
    """Now, and after every change, at most every `_EVERY_S`."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    changed.set()
    stop = studio.live.listen(partial(_set, loop, changed))
    try:
        while True:
            await changed.wait()
            changed.clear()
            yield
            await asyncio.sleep(_EVERY_S)
    finally:
        stop()


def _set(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    """From any thread."""
    loop.call_soon_threadsafe(changed.set)
