"""Every failure as the field's API has it: {"error": {"message", "type", "param", "code", ...}}."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from soundreel.documents.failures import error_json
from soundreel.errors import SoundreelError, WorkError
from soundreel.web.studio.refusals import Refused

log = logging.getLogger("soundreel.web")
_RETRY_S = 5


def refuse(refused: Refused) -> JSONResponse:
    """The answer. `hint` is in the message too, for clients that show nothing else."""
    said = dict(refused.document)
    if said.get("hint"):
        said["message"] = f"{said['message']}; {said['hint']}"
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    error = {"type": kind, "param": None, **said}
    headers = {"retry-after": str(_RETRY_S)} if refused.status == 429 else {}
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": error}, refused.status, headers)


def install(app: FastAPI, scrub: Any) -> None:
    """scrub: a `studio.scrub.Scrub`."""

    def refused(_: Request, err: Exception) -> JSONResponse:
        assert isinstance(err, Refused)
        return refuse(err)

    def invalid(_: Request, err: Exception) -> JSONResponse:
        assert isinstance(err, RequestValidationError)
        first: Mapping[str, Any] = err.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return refuse(
            Refused(400, "invalid_input", f"{name}: {first['msg']}", param=name, rule=first["msg"])
        )

    def failed(_: Request, err: Exception) -> JSONResponse:
        """What the core says where the server itself cannot go on."""
        assert isinstance(err, SoundreelError)
        said = scrub.document(error_json(err))
        status = 507 if isinstance(err, WorkError) else 400
        return refuse(Refused(status, "failed", said["message"], said["hint"]))

    def known(_: Request, err: Exception) -> JSONResponse:
        assert isinstance(err, HTTPException)
        code = HTTPStatus(err.status_code).phrase.lower().replace(" ", "_")
        answer = refuse(Refused(err.status_code, code, str(err.detail).lower()))
        answer.headers.update(err.headers or {})
        return answer

    def unexpected(_: Request, err: Exception) -> JSONResponse:
        log.exception("unexpected", exc_info=err)
        return refuse(Refused(500, "internal", "a fault of soundreel", "see the server's log"))

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(SoundreelError, failed)
    app.add_exception_handler(HTTPException, known)
    app.add_exception_handler(Exception, unexpected)
