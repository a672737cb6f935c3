"""Ctrl-C and its like stop a job where it can go on later."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from soundreel.errors import Cancelled
from soundreel.events import RunControl

_STOPS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def stop_on_signals(control: RunControl) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a terminal that is closed stop the job at the next frame or step; a
    second Ctrl-C at once. Who started us deaf to one of them (nohup) meant it."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if control.cancelled:
            raise Cancelled("stopped at once")
        control.cancel()

    heard = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
