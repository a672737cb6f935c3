"""The progress socket: a thread that listens, and comes back when the connection is lost.

Progress is all that it brings. Whether a prompt is finished is asked over HTTP, because a socket
may be lost, replays nothing, and can go silent while it looks open.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from contextlib import AbstractContextManager
from urllib.parse import quote

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from soundreel.engines.comfyui.client.address import ServerAddress
from soundreel.engines.comfyui.client.messages import FEATURE_FLAGS, Message, parse_message

_KEPT_MESSAGES = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LOST = (OSError, WebSocketException, EOFError, TimeoutError)


class Listener:
    """Listens under `client_id` from `start` to `close`."""

    def __init__(self, address: ServerAddress, client_id: str, connect_timeout: float) -> None:
        self._address = address
        self._url = f"{address.socket_url}/ws?clientId={quote(client_id)}"
        self._connect_timeout = connect_timeout
        self._messages: queue.Queue[Message] = queue.Queue(_KEPT_MESSAGES)
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._socket: ClientConnection | None = None
        self._thread: threading.Thread | None = None

    def start(self, wait_seconds: float) -> bool:
        """Listen, if not yet; whether the socket is open within `wait_seconds`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._listen, name="comfyui-socket", daemon=True)
            self._thread.start()
        return self._connected.wait(wait_seconds)

    def close(self) -> None:
        self._stop.set()
        self.refresh()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def refresh(self) -> None:
        """Drop the connection and open another: this one may have gone silent."""
        socket = self._socket
        if socket is not None:
            with contextlib.suppress(*_LOST):
                socket.close()

    def forget(self) -> None:
        """Throw away what has been heard so far."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._messages.get_nowait()

    def next(self, seconds: float) -> Message | None:
        """The next message, or None after `seconds`."""
        try:
            return self._messages.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            return None

    def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            with contextlib.suppress(*_LOST), self._open() as socket:
                self._socket = socket
                if self._stop.is_set():
                    return
                self._connected.set()
                pause = _FIRST_PAUSE
                socket.send(FEATURE_FLAGS)
                for raw in socket:
                    self._keep(parse_message(raw))
            self._connected.clear()
            self._stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> AbstractContextManager[ClientConnection]:
        logger = logging.getLogger("soundreel.comfyui.socket")
        logger.setLevel(logging.ERROR)  # the library's debug lines show the Authorization header
        return connect(
            self._url,
            additional_headers=self._address.headers(),
            open_timeout=self._connect_timeout,
            close_timeout=1,
            max_size=None,
            proxy=None if self._address.is_local else True,
            logger=logger,
        )

    def _keep(self, message: Message | None) -> None:
        if message is None:
            return
        if self._messages.full():
            with contextlib.suppress(queue.Empty):
                self._messages.get_nowait()
        self._messages.put(message)
