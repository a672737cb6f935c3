"""Where a ComfyUI server is and how to prove who we are, from the `url` and `token` settings.

Credentials stay inside ServerAddress: neither `str()` nor `repr()` shows them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from soundreel.errors import InputError, mention

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """url: scheme, host, port and path prefix, no trailing slash, no credentials.
    authorization: value of the Authorization header, or None."""

    url: str
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.url

    @property
    def socket_url(self) -> str:
        """The same address with ws:// or wss://."""
        return "ws" + self.url.removeprefix("http")

    @property
    def host(self) -> str:
        """As it stands in the address: an IPv6 address is in brackets."""
        name = urlsplit(self.url).hostname or ""
        return f"[{name}]" if ":" in name else name

    @property
    def is_local(self) -> bool:
        """On this machine, where no proxy stands in between."""
        return self.host in _LOOPBACK

    def headers(self) -> dict[str, str]:
        return {} if self.authorization is None else {"Authorization": self.authorization}


def parse_servers(urls: str, token: SecretStr | None = None) -> tuple[ServerAddress, ...]:
    """The servers of a comma-separated list. Raises InputError without repeating credentials."""
    parts = [part.strip() for part in urls.split(",") if part.strip()]
    if not parts:
        raise InputError(
            "no ComfyUI server given", hint=f"name one: {mention(url='http://127.0.0.1:8188')}"
        )
    return tuple(parse_server(part, token) for part in parts)


def parse_server(url: str, token: SecretStr | None = None) -> ServerAddress:
    """One server. `user:password@` in the address goes before the bearer token."""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        raise _bad_address(str(err)) from None if "@" in url else err
    if parts.scheme not in ("http", "https") or not host:
        raise _bad_address(f"scheme {parts.scheme!r}, host {host!r}")
    netloc = f"[{host}]" if ":" in host else host
    netloc += "" if port is None else f":{port}"
    clean = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
    return ServerAddress(clean, _authorization(parts.username, parts.password, token))


def _bad_address(reason: str) -> InputError:
    return InputError(
        f"not a server address: {reason}", hint="write e.g. http://gpu:8188 or https://host/comfy"
    )


def _authorization(user: str | None, password: str | None, token: SecretStr | None) -> str | None:
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    if token is not None and token.get_secret_value():
        return f"Bearer {token.get_secret_value()}"
    return None
