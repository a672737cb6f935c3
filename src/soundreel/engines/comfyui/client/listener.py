"""The progress socket: a thread that listens, and comes back when the connection is lost.

It brings progress, and pictures that a node sends. Whether a prompt is finished is asked over HTTP,
because a socket may be lost, replays nothing, and can go silent while it looks open.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from contextlib import AbstractContextManager
from urllib.parse import quote

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from soundreel.engines.comfyui.client.messages import (
    FEATURE_FLAGS,
    Message,
    PreviewMessage,
    parse_message,
)
from soundreel.engines.comfyui.client.wire.address import ServerAddress

_KEPT_MESSAGES, _KEPT_BYTES = 10_000, 512 << 20
"""The oldest are dropped when nobody takes them."""
MESSAGE_LIMIT = 64 << 20
"""Bytes of one message: a picture of 4096x4096 as PNG fits. More ends the connection."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LOST = (OSError, WebSocketException, EOFError, TimeoutError)


class Listener:
    """Listens under `client_id` from `start` to `close`."""

    def __init__(self, address: ServerAddress, client_id: str, connect_timeout: float) -> None:
        self._address = address
        self._url = f"{address.socket_url}/ws?clientId={quote(client_id)}"
        self._connect_timeout = connect_timeout
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._news = threading.Condition()
        self._losses = 0
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

    @property
    def losses(self) -> int:
        """How many connections have ended so far: what was sent meanwhile is lost."""
        return self._losses

    def forget(self) -> None:
        """Throw away what has been heard so far."""
        with self._news:
            self._messages.clear()
            self._bytes = 0

    def next(self, seconds: float) -> Message | None:
        """The next message, or None after `seconds`."""
        end = time.monotonic() + seconds
        with self._news:
            while not self._messages:
                if not self._news.wait(max(end - time.monotonic(), 0.001)):
                    return None
            message = self._messages.popleft()
            self._bytes -= _weight(message)
            return message

    def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            with contextlib.suppress(*_LOST), self._open() as socket:
                self._socket = socket
                if self._stop.is_set():
                    return
                pause = _FIRST_PAUSE
                socket.send(FEATURE_FLAGS)
                for raw in socket:
                    self._connected.set()  # not before: only now does the server know us
                    self._keep(parse_message(raw))
            if self._connected.is_set():
                self._losses += 1
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
            max_size=MESSAGE_LIMIT,
            compression=None,
            proxy=None if self._address.is_local else True,
            logger=logger,
        )

    def _keep(self, message: Message | None) -> None:
        if message is None:
            return
        with self._news:
            self._messages.append(message)
            self._bytes += _weight(message)
            while len(self._messages) > _KEPT_MESSAGES or self._bytes > _KEPT_BYTES:
                self._bytes -= _weight(self._messages.popleft())
            self._news.notify()


def _weight(message: Message) -> int:
    return len(message.image) if isinstance(message, PreviewMessage) else 0
