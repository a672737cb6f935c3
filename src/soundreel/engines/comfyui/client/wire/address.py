"""Where a ComfyUI server is and how to prove who we are, from the `url` and `token` settings.

Credentials stay inside ServerAddress: neither `str()` nor `repr()` shows them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from soundreel.errors import InputError, mention
from soundreel.safe.secrets import keep_secret

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
    """The servers of a comma-separated list, each once. Raises InputError without repeating
    credentials."""
    parts = [part.strip() for part in urls.split(",") if part.strip()]
    if not parts:
        raise InputError(
            "no ComfyUI server given", hint=f"name one: {mention(url='http://127.0.0.1:8188')}"
        )
    if len(parts) > 1 and any("@" in part and "://" not in part for part in parts):
        raise _bad_address(
            "in a list, one with a password begins with http:// or https://",
            "a comma in a password is written %2C",
        )
    servers = [parse_server(part, token) for part in parts]
    return tuple({server.url: server for server in reversed(servers)}.values())[::-1]


def parse_server(url: str, token: SecretStr | None = None) -> ServerAddress:
    """One server. `user:password@` in the address goes before the bearer token."""
    if any(char.isspace() or not char.isprintable() for char in url):
        raise _bad_address("it holds a space or a control character")
    parts = _split(url if "://" in url else f"http://{url}")
    if parts is None:
        raise _bad_address("host or port cannot be read")
    host, port = parts.hostname, parts.port
    if "@" in parts.path + parts.query + parts.fragment:
        raise _bad_address(
            "an @ behind the host", "in a password write / as %2F, # as %23, ? as %3F, @ as %40"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise _bad_address("it names no host, or speaks neither http nor https")
    netloc = f"[{host}]" if ":" in host else host
    netloc += "" if port is None else f":{port}"
    clean = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
    return ServerAddress(clean, _authorization(parts.username, parts.password, token))


def _split(url: str) -> SplitResult | None:
    """None if it cannot be read: the errors of `urlsplit` repeat parts of it, passwords too."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _bad_address(
    reason: str, hint: str = "write e.g. http://gpu:8188 or https://host/comfy"
) -> InputError:
    """Without the address: any part of it may be a part of a password."""
    return InputError(f"not a server address: {reason}", hint=hint)


def _authorization(user: str | None, password: str | None, token: SecretStr | None) -> str | None:
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}"
        keep_secret(unquote(password or ""))
        keep_secret(pair)
        return "Basic " + base64.b64encode(pair.encode()).decode()
    if token is not None and token.get_secret_value():
        return f"Bearer {token.get_secret_value()}"
    return None
