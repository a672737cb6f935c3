"""Who may come in: known hosts, no other sites' pages, the access key, not too often.

An ASGI layer around all routes, so that none can be forgotten.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundreel.web.http.problems import refuse
from soundreel.web.studio.refusals import Refused

COOKIE = "soundreel_session"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
_OPEN_PATHS = ("/health", "/v1/session")
"""Routes that need no key: they say nothing of jobs."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}


@dataclass(frozen=True, slots=True)
class Access:
    """key: None lets everybody in. hosts: the names that this server is reached by."""

    key: str | None = None
    hosts: tuple[str, ...] = _LOOPBACK

    @property
    def cookie(self) -> str:
        """What the page's cookie holds: made of the key, and never the key itself."""
        return hmac.new((self.key or "").encode(), b"soundreel page", hashlib.sha256).hexdigest()

    def opens(self, key: str) -> bool:
        """In a time that does not tell how much of the key is right."""
        return self.key is None or _same(key, self.key)

    def admits(self, headers: Headers) -> bool:
        """By the bearer of the API, or the cookie of the page."""
        if self.key is None:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.opens(bearer.strip())
        return _same(_cookie(headers), self.cookie)

    def knows(self, host: str) -> bool:
        """A page of another site can have its name point here, but not an address."""
        return host in self.hosts or _is_address(host)


def hosts_for(host: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The names in a Host header of a server that is bound to `host`."""
    return (*_LOOPBACK, host.lower(), *(name.lower() for name in allowed))


class Guard:
    """requests, wrong_keys: how many of them a client may send."""

    def __init__(self, app: ASGIApp, access: Access, requests: Rate, wrong_keys: Rate) -> None:
        self._app, self._access = app, access
        self._requests, self._wrong_keys = requests, wrong_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # there are none here
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, client = Headers(scope=scope), (scope.get("client") or ("", 0))[0]
        send = _with_headers(send, scope)
        try:
            self._check(scope, headers, client)
        except Refused as err:
            await refuse(err)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers, client: str) -> None:
        self._check_host(headers)
        if scope["method"] in _UNSAFE:
            _check_origin(headers)
        path = scope["path"]
        if _is_of_the_page(path):
            return
        if not self._requests.allows(client):
            raise Refused(429, "too_many_requests", "that is too often", "try again in a minute")
        if path in _OPEN_PATHS:
            return
        tried = "authorization" in headers
        if tried and self._access.key is not None:
            require_tries(self._wrong_keys, client)
        if self._access.admits(headers):
            return
        if tried:
            self._wrong_keys.allows(client)
        raise Refused(
            401,
            "unauthorized",
            "the access key is wrong" if tried else "this server asks for its access key",
            "send it as Authorization: Bearer KEY",
        )

    def _check_host(self, headers: Headers) -> None:
        if self._access.knows(_host_of(headers.get("host", ""))):
            return
        raise Refused(
            421,
            "unknown_host",
            "this server is not known by that name",
            "add it to allowed_hosts in the table [server] of the config file",
        )


def require_tries(wrong_keys: Rate, client: str) -> None:
    """Raises Refused where the client sent too many wrong keys: the next is not looked at."""
    if wrong_keys.spent(client):
        raise Refused(429, "too_many_keys", "too many wrong keys", "try again in a minute")


class Rate:
    """So many a minute of each client, a quarter of them at once. Bounded, however many clients."""

    _MOST = 10_000

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._speed, self._clock = max(per_minute / 4, 1.0), per_minute / 60, clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def spent(self, client: str) -> bool:
        """Whether the next would not be allowed."""
        with self._lock:
            return self._has(client, self._clock()) < 1

    def allows(self, client: str) -> bool:
        """Takes one, if there is one left."""
        now = self._clock()
        with self._lock:
            left = self._has(client, now)
            allowed = left >= 1
            self._left.pop(client, None)
            self._left[client] = (left - 1 if allowed else left, now)
            if len(self._left) > self._MOST:
                self._left.pop(next(iter(self._left)))
        return allowed

    def _has(self, client: str, now: float) -> float:
        left, when = self._left.get(client, (self._burst, now))
        return min(self._burst, left + (now - when) * self._speed)


def _is_of_the_page(path: str) -> bool:
    """Its own files hold nothing of anybody, and each tab asks for fifty of them."""
    return not path.startswith(("/v1", "/metrics", "/openapi", "/docs", "/health"))


def _check_origin(headers: Headers) -> None:
    """What changes something comes from this server's own page, or from a program."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    foreign = site not in (None, "same-origin", "none")
    if origin is not None and not foreign:
        foreign = _netloc(origin) != headers.get("host", "").lower()
    if foreign:
        raise Refused(403, "foreign_origin", "another site's page may not ask for that")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host_of(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _with_headers(send: Send, scope: Scope) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            kept = "no-store" if scope["path"].startswith("/v1") else "no-cache"
            headers.setdefault("cache-control", kept)  # no-cache: asks whether it is still the same
        await send(message)

    return sent
