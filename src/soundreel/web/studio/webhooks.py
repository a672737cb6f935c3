"""Who asked to be told of the end of a job is told, signed, at allowed hosts only.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com), which the field's
clients verify.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx

from soundreel.web.jobs.store import StoredJob
from soundreel.web.studio.refusals import Refused

_TRIES_S = (0.0, 2.0, 10.0, 60.0)
_TIMEOUT_S = 10.0
_PREFIX = "whsec_"
log = logging.getLogger("soundreel.web")


class Webhooks:
    """hosts: those that may be told. secret: signs; "whsec_" and base64, or a plain text."""

    def __init__(self, hosts: Collection[str], secret: str | None) -> None:
        self._hosts, self._secret = hosts, secret
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="webhook")
        self._stopped = threading.Event()

    def require(self, address: str) -> None:
        """Raises Refused where that may not be told."""
        try:
            parts = urlsplit(address)
            allowed = parts.scheme in ("http", "https") and parts.hostname in self._hosts
        except ValueError:
            allowed = False
        if not allowed or self._secret is None:
            raise Refused(
                400,
                "invalid_input",
                "this server tells nothing to that host",
                "have it allowed: webhook_hosts and webhook_secret of the server's config",
                param="webhook_url",
                rule="a host that is allowed",
            )

    def tell(self, job: StoredJob) -> None:
        """In the background, again where it fails; not across a restart of the server."""
        address = job.asked.get("webhook_url")
        if address is not None and not self._stopped.is_set():
            self._pool.submit(self._send, address, _event(job))

    def close(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, address: str, event: Mapping[str, Any]) -> None:
        body = json.dumps(event).encode()
        for pause in _TRIES_S:
            if self._stopped.wait(pause):
                return
            try:
                headers = self.signed(str(event["id"]), int(time.time()), body)
                answer = httpx.post(
                    address,
                    content=body,
                    headers=headers,
                    timeout=_TIMEOUT_S,
                    follow_redirects=False,
                )
                if answer.is_success:
                    return
            except httpx.HTTPError:
                continue
        log.warning("%s was not told of the end of %s", urlsplit(address).hostname, event["data"])

    def signed(self, key: str, timestamp: int, body: bytes) -> dict[str, str]:
        """The headers of one message."""
        secret = self._secret or ""
        known = secret.removeprefix(_PREFIX)
        keyed = base64.b64decode(known) if known != secret else secret.encode()
        content = f"{key}.{timestamp}.".encode() + body
        digest = base64.b64encode(hmac.new(keyed, content, hashlib.sha256).digest()).decode()
        return {
            "content-type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{digest}",
        }


def _event(job: StoredJob) -> dict[str, Any]:
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "object": "event",
        "created_at": int(time.time()),
        "type": f"video.{job.status}",
        "data": {"id": job.id},
    }
