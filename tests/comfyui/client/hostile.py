"""Servers that mean harm, or are broken: raw sockets, each connection handled by one function."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Talk = Callable[[Callable[[bytes], None]], None]
"""What it says once it has heard the request; the argument sends, and raises OSError at the end."""


@contextmanager
def hostile(talk: Talk) -> Iterator[tuple[str, list[int]]]:
    """Its address, and how many bytes it got rid of, connection by connection."""
    sent: list[int] = []
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve(connection: socket.socket, number: int) -> None:
        def send(data: bytes) -> None:
            if stop.is_set():
                raise OSError("the test is over")
            connection.sendall(data)
            sent[number] += len(data)

        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            connection.recv(65536)
            talk(send)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                sent.append(0)
                threading.Thread(
                    target=serve, args=(connection, len(sent) - 1), daemon=True
                ).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", sent
    finally:
        stop.set()
        listening.close()


def head(*lines: str) -> bytes:
    """An answer's beginning, with status 200."""
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()


def drip(data: bytes, pause: float) -> Talk:
    """Byte by byte."""

    def talk(send: Callable[[bytes], None]) -> None:
        for number in range(len(data)):
            send(data[number : number + 1])
            time.sleep(pause)

    return talk


def endless(start: bytes, block: bytes) -> Talk:
    def talk(send: Callable[[bytes], None]) -> None:
        send(start)
        while True:
            send(block)

    return talk


def silent(send: Callable[[bytes], None]) -> None:
    time.sleep(60)
