"""What can go wrong with the fake server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Faults:
    """What goes wrong. Messages are counted from 1, over all that goes to clients' sockets.

    cut_socket_at: the connection is cut instead of sending this message.
    restart_at: the whole server dies instead; it is back `down_seconds` later, having forgotten
        queue, history, cache and temp files.
    fail_node: class, exception type and message of a node that fails.
    silent: sockets get nothing but their first status.
    ignored_interrupts: so many interrupts do not take.
    step_seconds: how long a sampling step takes.   decode_seconds: a decode, not interruptible.
    cut_request_at / lose_answer_at: the HTTP request (from 1) that is cut before it is handled, or
        after, with its answer lost.
    bad_gateway: so many requests are answered 502.   broken_downloads: so many break off half way.
    turns: every second request is answered with the next of these statuses, and not handled.
    hanging: at so many requests the whole server stands still for `hang_seconds`.
    """

    cut_socket_at: int | None = None
    restart_at: int | None = None
    down_seconds: float = 0.15
    fail_node: tuple[str, str, str] | None = None
    silent: bool = False
    ignored_interrupts: int = 0
    step_seconds: float = 0.0
    decode_seconds: float = 0.0
    cut_request_at: int | None = None
    lose_answer_at: int | None = None
    bad_gateway: int = 0
    broken_downloads: int = 0
    turns: tuple[int, ...] = ()
    hanging: int = 0
    hang_seconds: float = 1.0
