"""What goes wrong on the wire, and answers that are none, in words for a person."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from soundreel.engines.comfyui.client.wire.address import ServerAddress
from soundreel.engines.comfyui.client.wire.errors import (
    GATEWAY_SECONDS,
    NO_ANSWER_SECONDS,
    OTHER_SECONDS,
    NotComfyUI,
    ServerAway,
)
from soundreel.engines.comfyui.client.wire.exchange import (
    Answer,
    Ask,
    BadEncoding,
    TooLarge,
    TooSlow,
)
from soundreel.errors import (
    EngineError,
    EngineUnavailable,
    InputError,
    RemoteError,
    SoundreelError,
    mention,
)

LONGEST_PAUSE = 60.0

_START = f"start ComfyUI there, or name another server: {mention('url')}"
_GATEWAY = frozenset({429, 502, 503, 504, *range(520, 528), 529, 530})
_PLAIN_ANSWERS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
"""How OpenSSL takes an answer that is not encrypted."""
_CONNECTION = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection aborted",
    errno.EPIPE: "connection closed",
    errno.EHOSTUNREACH: "no route to that host",
    errno.ENETUNREACH: "no network",
    errno.ETIMEDOUT: "timed out",
    errno.EHOSTDOWN: "that host is down",
}


def from_wire(address: ServerAddress, ask: Ask, err: Exception) -> SoundreelError:
    """The error to raise for what `exchange` raised."""
    match err:
        case TooLarge():
            return RemoteError(
                f"{address} sends more than {_size(int(str(err)))} for {ask.path}: more than "
                "such an answer can have",
                hint="is that a ComfyUI server, and nothing in between that changes what it sends?",
            )
        case TooSlow():
            return _no_answer(address, f"nothing whole within {ask.answer_s:g} s")
        case BadEncoding():
            return NotComfyUI(
                f"{address} packs its answer in a way that cannot be read ({err})",
                hint="does a proxy in between change what the server sends?",
                patience_s=OTHER_SECONDS,
            )
        case httpx.InvalidURL():
            return InputError(f"not a server address: {address}: {err}")
        case httpx.LocalProtocolError():
            return InputError(
                f"the request to {address} cannot be written as HTTP",
                hint="look for strange characters in the address and the token",
            )
        case httpx.ProxyError():
            return _no_answer(address, f"the proxy on the way says: {err}")
        case _:
            return _certificate(address, err) or _no_answer(address, short_reason(err))


def of_status(address: ServerAddress, answer: Answer) -> EngineError | None:
    """Why an answer's status ends the request, whatever was asked; None if the asker decides."""
    if answer.status in _GATEWAY:
        return ServerAway(
            f"{address} answers {answer.status} ({_meaning(answer.status)})",
            hint=_START,
            patience_s=GATEWAY_SECONDS,
            pause_s=_retry_after(answer),
            status=answer.status,
        )
    if answer.status in (408, 421, 423, 425, 499) or answer.status >= 500:
        return passing(address, answer)
    if answer.status in (401, 403):
        return EngineUnavailable(
            f"{address} does not let us in ({answer.status})",
            hint=f"set the token (SOUNDREEL_TOKEN), or write user:password@ in {mention('url')}",
        )
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "").split("?")[0]
        return EngineUnavailable(
            f"{address} redirects to {target}", hint=f"give the final address: {_base(target)}"
        )
    return None


def passing(
    address: ServerAddress, answer: Answer, then: EngineError | None = None, hint: str = ""
) -> ServerAway:
    """A server in order would not answer so: it is asked again for a while."""
    words = f": {answer.words()}" if answer.content and not _is_page(answer) else ""
    return ServerAway(
        f"{address} answers {answer.status} to {answer.path}{words}",
        hint=hint or "look into the server's log; try: soundreel doctor",
        patience_s=OTHER_SECONDS,
        pause_s=_retry_after(answer),
        status=answer.status,
        then=then,
    )


def not_comfyui(address: ServerAddress, answer: Answer) -> NotComfyUI:
    """An answer to a question that every ComfyUI server knows, but not as one gives it."""
    found = f"{answer.status}" if not answer.ok else "a web page" if _is_page(answer) else "no JSON"
    parts = urlsplit(address.url)
    hint = f"check host, port and path in {mention('url')}"
    if parts.path:
        bare = f"{parts.scheme}://{parts.netloc}"
        hint = f"is the path {parts.path} right? try {mention(url=bare)}"
    return NotComfyUI(
        f"{address} does not answer like ComfyUI: {found} at {answer.path}",
        hint=hint,
        patience_s=OTHER_SECONDS,
        status=answer.status,
    )


def short_reason(err: BaseException) -> str:
    """E.g. "connection refused", from the error itself or from what caused it."""
    for cause in _causes(err):
        if isinstance(cause, socket.gaierror):
            return "no such host"
        if isinstance(cause, ConnectionRefusedError):
            return _CONNECTION[errno.ECONNREFUSED]
        if isinstance(cause, OSError) and cause.errno in _CONNECTION:
            return _CONNECTION[cause.errno]
        if isinstance(cause, httpx.ConnectTimeout):
            return "no connection in time"
        if isinstance(cause, TimeoutError | httpx.TimeoutException):
            return "timed out"
        if isinstance(cause, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            return "it closes the connection"
    words = str(err)
    if "All connection attempts failed" in words:
        return _CONNECTION[errno.ECONNREFUSED]
    return words or type(err).__name__


def _no_answer(address: ServerAddress, reason: str) -> ServerAway:
    hint = _START
    if reason == "it closes the connection" and address.url.startswith("http://"):
        secure = f"https{address.url.removeprefix('http')}"
        hint = f"if it speaks https, write {mention(url=secure)}"
    return ServerAway(
        f"no answer from {address} ({reason})", hint=hint, patience_s=NO_ANSWER_SECONDS
    )


def _certificate(address: ServerAddress, err: BaseException) -> EngineUnavailable | None:
    """What is wrong with https; nothing that time would mend."""
    for cause in _causes(err):
        if isinstance(cause, ssl.SSLCertVerificationError):
            named = "match" in cause.verify_message
            return EngineUnavailable(
                f"the certificate of {address} is not trusted: {cause.verify_message}",
                hint="write the address with a name that the certificate is for"
                if named
                else "if it is your own: save it as a PEM file and set SSL_CERT_FILE to that file",
            )
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            plain = f"http{address.url.removeprefix('https')}"
            if cause.reason not in _PLAIN_ANSWERS:
                return EngineUnavailable(
                    f"{address} and this machine agree on no encryption ({cause.reason or cause})",
                    hint="what stands in front of the server needs an update, or other settings",
                )
            return EngineUnavailable(
                f"{address} does not speak https",
                hint=f"if the server has no certificate, write {mention(url=plain)}",
            )
    return None


def _causes(err: BaseException) -> Iterator[BaseException]:
    """The error, and all that it came from, groups of attempts too."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [err]
    while todo:
        cause = todo.pop()
        if cause is None or cause in seen:
            continue
        seen.append(cause)
        yield cause
        todo += [cause.__context__, cause.__cause__]
        if isinstance(cause, BaseExceptionGroup):
            todo += cause.exceptions


def _meaning(status: int) -> str:
    if status == 429:
        return "too many requests"
    if status == 503:
        return "not available now"
    return "nothing answers behind that gateway"


def _retry_after(answer: Answer) -> float:
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST_PAUSE) if said.isdecimal() else 0.0


def _is_page(answer: Answer) -> bool:
    return answer.content.lstrip()[:1] == b"<"


def _base(target: str) -> str:
    """An address out of a place that a server sends us to."""
    for end in ("/system_stats", "/object_info", "/queue", "/prompt"):
        target = target.removesuffix(end)
    return target


def _size(count: int) -> str:
    return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count} bytes"
