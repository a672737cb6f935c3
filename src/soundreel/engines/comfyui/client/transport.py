"""HTTP to one server. Everything that can go wrong on the wire becomes a soundreel error here."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import httpx

from soundreel.engines.comfyui.client.address import ServerAddress
from soundreel.engines.comfyui.client.errors import ServerAway
from soundreel.errors import EngineUnavailable, InputError

READ_SECONDS = 60.0
"""A busy server holds its event loop for seconds, so an answer may be slow."""
_GATEWAY = frozenset({502, 503, 504})


class Transport:
    """A connection pool to one server; close it, or use it as a context manager."""

    def __init__(self, address: ServerAddress, connect_timeout: float) -> None:
        self.address = address
        self._http = httpx.Client(
            base_url=address.url,
            headers=address.headers(),
            timeout=httpx.Timeout(READ_SECONDS, connect=connect_timeout),
            mounts={f"all://{address.host}": None} if address.is_local else None,  # no proxy
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get_json(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`; all that we ask for is one."""
        response = self._good(self.request("GET", path))
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EngineUnavailable(
                f"{self.address} does not answer like ComfyUI: no JSON object at {path}",
                hint="check the address and its path prefix",
            )
        return answer

    def post_json(self, path: str, body: Mapping[str, Any]) -> None:
        """Post where the answer is empty (/queue, /interrupt)."""
        self._good(self.request("POST", path, json=body))

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer, whatever its status, but for a server that is away or shuts us out.

        Raises ServerAway (no answer, or a gateway's 502, 503, 504) and EngineUnavailable (401,
        403, a redirect).
        """
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as err:
            raise ServerAway(
                f"no answer from {self.address}: {err or type(err).__name__}",
                hint="start ComfyUI there, or name another server with --url",
            ) from err
        except httpx.InvalidURL as err:
            raise InputError(f"not a server address: {self.address}: {err}") from err
        if response.status_code in _GATEWAY:
            raise ServerAway(
                f"{self.address} answers {response.status_code}: nothing runs behind that gateway",
                hint="start ComfyUI there, or name another server with --url",
            )
        self._refuse_strangers(response)
        return response

    def _refuse_strangers(self, response: httpx.Response) -> None:
        if response.status_code in (401, 403):
            raise EngineUnavailable(
                f"{self.address} does not let us in ({response.status_code})",
                hint="set the token (SOUNDREEL_TOKEN) or write user:password@ in --url",
            )
        if response.is_redirect:
            target = response.headers.get("location", "").split("?")[0]
            raise EngineUnavailable(
                f"{self.address} redirects to {target}", hint="give the final address with --url"
            )

    def _good(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        path = response.request.url.path
        raise EngineUnavailable(
            f"{self.address} answers {response.status_code} to {path}: {response.text[:300]}",
            hint="is that a ComfyUI server? try: soundreel doctor --url",
        )
