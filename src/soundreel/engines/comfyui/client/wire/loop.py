"""A thread for what is asked over the network, so that whoever waits for it can stop waiting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from typing import TypeVar

T = TypeVar("T")

_TICK_SECONDS = 0.1
_CLOSE_SECONDS = 5.0


class LoopThread:
    """An event loop in a thread of its own, from the first `run` to `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[object, object, T], watch: Callable[[], None]) -> T:
        """The result of `work`. `watch` is called every tenth of a second: what it raises ends the
        waiting, and the work, at whatever stage it is."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="comfyui-http", daemon=True
            )
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not wait((future,), timeout=_TICK_SECONDS).done:
                watch()
            return future.result()
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[object, object, None]]) -> None:
        """Stop all that runs, then do `last`."""
        if self._thread is not None:
            future = asyncio.run_coroutine_threadsafe(self._stop(last), self._loop)
            with contextlib.suppress(Exception):
                future.result(_CLOSE_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_SECONDS)
            self._thread = None
        if not self._loop.is_running():
            self._loop.close()

    async def _stop(self, last: Callable[[], Coroutine[object, object, None]]) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last()
