"""Ports for servers that start later, or come back."""

from __future__ import annotations

import socket
import sys


def held_port() -> socket.socket:
    """Bound and deaf: no other process is given its port, connecting is refused, and a server that
    reuses addresses can listen there. Close it when that server has ended."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def port_of(held: socket.socket) -> int:
    number = int(held.getsockname()[1])
    if sys.platform != "linux":  # elsewhere only one may be bound
        held.close()
    return number
