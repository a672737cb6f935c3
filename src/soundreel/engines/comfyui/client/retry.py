"""Waiting for a server that is away, for as long as the user lets us."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from soundreel.engines.comfyui.client.errors import RESUME_HINT, ServerAway
from soundreel.errors import RemoteError
from soundreel.events import Notice, RunControl

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FIRST_REMINDER_SECONDS = 30.0


class Deadline:
    """`seconds` for the whole job, counted from now; None is no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def check(self, prompt_id: str = "") -> None:
        """Raises RemoteError when the time is up."""
        if self._end is not None and time.monotonic() >= self._end:
            raise RemoteError(
                f"the time limit of {self._seconds:g} s is up",
                hint=f"{RESUME_HINT}, perhaps with a longer --timeout",
                prompt_id=prompt_id,
            )


def retry(attempt: Callable[[], T], control: RunControl, deadline: Deadline) -> T:
    """`attempt()`, again and again while the server is away; says so, and when it is back.

    Raises Cancelled, RemoteError when the time is up, and whatever else `attempt` raises.
    """
    started, reminder, pause = time.monotonic(), 0.0, _FIRST_PAUSE
    while True:
        control.raise_if_cancelled()
        deadline.check()
        try:
            result = attempt()
        except ServerAway as err:
            waited = time.monotonic() - started
            if waited >= reminder:
                control.emit(Notice(f"{err.message}; waiting for it (Ctrl-C stops)"))
                reminder = max(_FIRST_REMINDER_SECONDS, 2 * waited)
            control.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        else:
            if reminder:
                control.emit(Notice("the server answers again"))
            return result
