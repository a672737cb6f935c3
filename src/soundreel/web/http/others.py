"""Routes beside the videos: uploads, plans, options, models, the page's session, health."""

from __future__ import annotations

import mimetypes
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from soundreel.installation import __version__
from soundreel.web.asked.schema import models, options
from soundreel.web.http.bodies import read_body, receive
from soundreel.web.http.described import body_of
from soundreel.web.http.guard import COOKIE, Access, Rate, require_tries
from soundreel.web.studio.refusals import Refused
from soundreel.web.studio.service import Studio
from soundreel.web.studio.uploads import Upload

_COOKIE_DAYS = 30


def routes(studio: Studio, access: Access, wrong_keys: Rate) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/plan", openapi_extra=body_of("VideoRequest"), tags=["plan"])
    async def plan(request: Request) -> JSONResponse:
        """What a video would be and cost: parts, time, memory, notices. Nothing is kept."""
        body, from_form = await read_body(request, studio)
        return JSONResponse(await run_in_threadpool(studio.plan, body, from_form=from_form))

    @router.get("/options", tags=["plan"])
    def list_options() -> JSONResponse:
        """Every option of a request, for a form."""
        return JSONResponse(options())

    @router.get("/models", tags=["plan"])
    def list_models() -> JSONResponse:
        """The engines and presets that `model` may name."""
        return JSONResponse(models())

    @router.post("/uploads", openapi_extra=body_of("Upload"), tags=["uploads"])
    async def upload(request: Request, name: str = "file") -> JSONResponse:
        """A file: the body, or the part `file` of a form. It is decoded before it is kept."""
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            body, _ = await read_body(request, studio)
            key = body.get("file")
            if not isinstance(key, str):
                raise Refused(400, "invalid_input", "the form has no part `file`", param="file")
        else:
            key = await receive(request, studio, name)
        return JSONResponse(_shown(await run_in_threadpool(studio.upload, key)))

    @router.get("/uploads/{upload_id}", tags=["uploads"])
    def about_upload(upload_id: str) -> JSONResponse:
        return JSONResponse(_shown(studio.upload(upload_id)))

    @router.delete("/uploads/{upload_id}", tags=["uploads"])
    def delete_upload(upload_id: str) -> JSONResponse:
        """Remove the file; finished videos stay, but cannot be made again from it."""
        studio.remove_upload(upload_id)
        return JSONResponse({"id": upload_id, "object": "upload.deleted", "deleted": True})

    @router.get("/uploads/{upload_id}/content", tags=["uploads"])
    def upload_content(upload_id: str) -> Response:
        """The file, by byte ranges too."""
        found = studio.upload(upload_id)
        return FileResponse(found.path, media_type=_type_of(found.name), filename=found.name)

    @router.get("/uploads/{upload_id}/peaks", tags=["uploads"])
    def upload_peaks(upload_id: str) -> Response:
        """A sound's waveform, by byte ranges too: a byte for each hundredth of a second, the
        loudest sample in it from 0 to 100."""
        return FileResponse(studio.peaks(upload_id), media_type="application/octet-stream")

    @router.post("/session", tags=["session"])
    async def begin_session(request: Request) -> Response:
        """Change the access key for the page's cookie."""
        body, _ = await read_body(request, studio)
        client = request.client.host if request.client else ""
        require_tries(wrong_keys, client)
        key = body.get("access_key")
        if not isinstance(key, str) or not access.opens(key):
            wrong_keys.allows(client)
            raise Refused(401, "unauthorized", "the access key is wrong", param="access_key")
        answer = JSONResponse(_session(in_=True))
        answer.set_cookie(
            COOKIE,
            access.cookie,
            max_age=_COOKIE_DAYS * 86400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @router.get("/session", tags=["session"])
    def session(request: Request) -> JSONResponse:
        """Whether a key is needed, and whether this client is in."""
        return JSONResponse(_session(in_=access.admits(request.headers)))

    @router.delete("/session", tags=["session"])
    def end_session() -> Response:
        answer = JSONResponse(_session(in_=False))
        answer.delete_cookie(COOKIE)
        return answer

    def _session(*, in_: bool) -> dict[str, Any]:
        return {"object": "session", "key_needed": access.key is not None, "admitted": in_}

    return router


def health(studio: Studio) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health")
    def is_well() -> JSONResponse:
        counts = studio.store.counts()
        waiting, running = counts.get("queued", 0), counts.get("in_progress", 0)
        said = {"status": "ok", "version": __version__, "queued": waiting, "in_progress": running}
        return JSONResponse(said)

    return router


def _type_of(name: str) -> str:
    """What a browser may take it for: something to hear or see by its ending, else nothing."""
    kind = mimetypes.guess_type(name)[0] or ""
    shown = kind.startswith(("audio/", "video/", "image/")) and kind != "image/svg+xml"
    return kind if shown else "application/octet-stream"


def _shown(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "object": "upload",
        "name": upload.name,
        "bytes": upload.size,
        "created_at": int(upload.created),
        "url": f"/v1/uploads/{upload.id}/content",
        **upload.about,
    }
