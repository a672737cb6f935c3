"""Waiting for a server that is away, for as long as the user lets us."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from soundreel.engines.comfyui.client.wire.errors import NO_ANSWER_SECONDS, RESUME_HINT, ServerAway
from soundreel.errors import EngineError, RemoteError
from soundreel.events import Notice, RunControl

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_FIRST_REMINDER_SECONDS = 30.0


class Patience:
    """Waits for one server. Says so, and when it is back, but not at every stumble of many.

    most_s: never longer than so.
    """

    def __init__(self, most_s: float = math.inf) -> None:
        self._most_s = most_s
        self._quiet_until = -math.inf

    def retry(self, attempt: Callable[[], T], control: RunControl) -> T:
        """`attempt()`, again and again while the server is away.

        Raises Cancelled, EngineError when the job's time is up, RemoteError when the patience (see
        ServerAway) is at its end, ServerAway when ours is, and whatever else `attempt` raises.
        """
        started, pause, spoken = time.monotonic(), _FIRST_PAUSE, False
        while True:
            control.raise_if_cancelled()
            try:
                result = attempt()
            except ServerAway as err:
                waited = time.monotonic() - started
                if waited >= err.patience_s:
                    raise _given_up(err, waited) from err
                if waited >= self._most_s:
                    raise (err.then or err) from err.__cause__
                spoken |= self._speak(err, waited, control)
                control.wait(max(pause, err.pause_s))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if spoken:
                    control.emit(Notice("the server answers again"))
                return result

    def _speak(self, err: ServerAway, waited: float, control: RunControl) -> bool:
        if time.monotonic() < self._quiet_until:
            return False
        control.emit(Notice(f"{err.message}; waiting for it (Ctrl-C stops)"))
        self._quiet_until = time.monotonic() + max(_FIRST_REMINDER_SECONDS, waited)
        return True


def retry_briefly(attempt: Callable[[], T]) -> T:
    """`attempt()`, three times where the server answers but not as it should: before a job begins,
    one bad answer on the way is no reason to say that there is no server."""
    for pause in (_FIRST_PAUSE, 5 * _FIRST_PAUSE):
        try:
            return attempt()
        except ServerAway as err:
            if err.patience_s >= NO_ANSWER_SECONDS:
                raise
            time.sleep(pause)
    return attempt()


def _given_up(err: ServerAway, waited: float) -> EngineError:
    return err.then or RemoteError(
        f"{err.message}, for {waited:.0f} s now", hint=f"{err.hint}; {RESUME_HINT}"
    )
