"""Routes of videos, in the shape that the field keeps, and what we have beside it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from soundreel.web.http.bodies import read_body
from soundreel.web.http.described import VIDEO, body_of
from soundreel.web.studio.refusals import Refused
from soundreel.web.studio.service import Studio

Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)]
Variant = Literal["video", "thumbnail", "record", "report"]
_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "gif": "image/gif",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
}


def routes(studio: Studio) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["videos"])

    @router.post("/videos", openapi_extra=body_of("VideoRequest"), responses=VIDEO)
    async def create(request: Request, key: Key = None) -> JSONResponse:
        """Ask for a video. It is planned at once, and waits in the queue."""
        body, from_form = await read_body(request, studio)
        job = await run_in_threadpool(studio.submit, body, from_form=from_form, idempotency=key)
        return JSONResponse(await run_in_threadpool(studio.video, job))

    @router.get("/videos")
    def list_videos(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> JSONResponse:
        """The videos and the jobs that make them, the newest first."""
        jobs, more = studio.page(limit, after, oldest_first=order == "asc")
        shown = [studio.video(job) for job in jobs]
        return JSONResponse(
            {
                "object": "list",
                "data": shown,
                "first_id": shown[0]["id"] if shown else None,
                "last_id": shown[-1]["id"] if shown else None,
                "has_more": more,
            }
        )

    @router.get("/videos/{video_id}", responses=VIDEO)
    def retrieve(video_id: str) -> JSONResponse:
        return JSONResponse(studio.video(studio.job(video_id)))

    @router.delete("/videos/{video_id}")
    def delete(video_id: str) -> JSONResponse:
        """Cancel it where it is not done, and remove its files."""
        studio.remove(video_id)
        return JSONResponse({"id": video_id, "object": "video.deleted", "deleted": True})

    @router.post("/videos/{video_id}/cancel", responses=VIDEO)
    def cancel(video_id: str) -> JSONResponse:
        """It ends as failed, with the error's code "cancelled". One that has ended stays so."""
        return JSONResponse(studio.video(studio.cancel(video_id)))

    @router.post("/videos/{video_id}/remix", openapi_extra=body_of("RemixRequest"), responses=VIDEO)
    async def remix(video_id: str, request: Request, key: Key = None) -> JSONResponse:
        """The same with other words; with `shot` or `chunk`, only that part of it again."""
        body, _ = await read_body(request, studio)
        job = await run_in_threadpool(studio.remix, video_id, body, idempotency=key)
        return JSONResponse(await run_in_threadpool(studio.video, job))

    @router.get("/videos/{video_id}/content")
    def content(video_id: str, variant: Variant = "video", download: bool = False) -> Response:
        """The file, by byte ranges too: the video, a picture of it, its record, or a drawing of
        what the check measured."""
        if variant == "record":
            return Response(
                json.dumps(studio.record(video_id), indent=2), media_type="application/json"
            )
        path = studio.file(video_id, variant)
        kind = _TYPES.get(path.suffix[1:], "application/octet-stream")
        how: Any = "attachment" if download else "inline"
        name = f"{video_id}{path.suffix}"
        return FileResponse(path, media_type=kind, filename=name, content_disposition_type=how)

    @router.get("/videos/{video_id}/preview")
    def preview(video_id: str, n: int = 0) -> Response:  # noqa: ARG001  (names another picture)
        """The last small picture of the state of sampling, while an engine gives any."""
        found = studio.live.preview(studio.job(video_id).id)
        if found is None:
            raise Refused(404, "not_found", "there is no picture of it at this moment")
        return Response(found.image, media_type=found.mime_type)

    return router
