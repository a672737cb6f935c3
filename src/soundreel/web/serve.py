"""The server: a studio behind uvicorn, until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable

import uvicorn

from soundreel.config import Settings
from soundreel.errors import InputError, mention
from soundreel.safe.secrets import keep_secret
from soundreel.web.asked.limits import Limits
from soundreel.web.http.app import create_app
from soundreel.web.http.guard import Access, hosts_for
from soundreel.web.studio.service import Studio

_LEAST_KEY = 12
_STOP_S = 5
_BACKLOG = 512


def serve(
    settings: Settings,
    limits: Limits,
    host: str,
    port: int,
    key: str | None,
    *,
    is_open: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM; what runs then goes on at the next start.

    tell: hears the address when there is one. Raises InputError where strangers could come in or
    the address is taken, WorkError where the folder is.
    """
    key = checked_key(host, key, settings, is_open=is_open)
    access = Access(key, hosts_for(host, limits.allowed_hosts))
    with _listening(host, port) as listener:
        app = create_app(Studio(settings, limits), access)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_STOP_S,
        )
        tell(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        uvicorn.Server(config).run(sockets=[listener])


def checked_key(host: str, key: str | None, settings: Settings, *, is_open: bool) -> str | None:
    """The key, where strangers cannot come in without it. Raises InputError."""
    if key is None:
        if not is_open and not is_loopback(host):
            raise InputError(
                f"{host} is reached from other machines, and anybody there could use this server",
                hint=f"give it a key: SOUNDREEL_ACCESS_KEY, or {mention('access_key')}; or say "
                f"{mention(open=True)}",
            )
        return None
    if len(key) < _LEAST_KEY or not all("!" <= char <= "~" for char in key):
        raise InputError(
            f"an access key has at least {_LEAST_KEY} characters: ASCII letters, digits and signs",
            hint="python -c 'import secrets; print(secrets.token_urlsafe())' makes one",
        )
    token = settings.token
    if token is not None and token.get_secret_value() == key:
        raise InputError(
            f"the access key is the {mention('token')} of the ComfyUI server",
            hint="take another one: who may use this server need not know that one",
        )
    keep_secret(key)
    return key


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as err:
        raise InputError(
            f"cannot listen on {host}, port {port}: {os.strerror(err.errno or 0)}",
            hint=f"another program may have it: choose another one, {mention('port')}",
        ) from err
