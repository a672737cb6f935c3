"""Calls of functions in a process of their own: one that hangs or dies takes nothing with it.

Children are forked from a small process that has the program loaded and nothing else, so that one
is there within milliseconds and knows nothing of the caller's memory. Both sides speak JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Self

from soundreel.documents.failures import error_json
from soundreel.errors import Cancelled, EngineError, SoundreelError
from soundreel.events import RunControl
from soundreel.safe.text import shown

Send = Callable[[Mapping[str, Any]], None]
Work = Callable[[Mapping[str, Any], RunControl, Send], Mapping[str, Any]]
"""What a child can do: from arguments, by a control, with a way to say something on the way."""

_GRACE_S = 10.0
"""How long a job that is told to stop may take for it."""


def _context(module: str) -> Any:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([module, "soundreel.engines.preview.engine"])
    return context


class ChildFailed(Exception):
    """What a call ended with instead of an answer. document: see `documents.failures`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document["message"])
        self.document = document


class Child:
    """A process that does one call after the other. `cancel` may come from another thread."""

    def __init__(self, module: str) -> None:
        """module: has the functions that are called, and is loaded once for all children."""
        self._module = module
        context = _context(module)
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def call(
        self,
        work: str,
        arguments: Mapping[str, Any],
        on_message: Send | None = None,
        seconds: float | None = None,
    ) -> Mapping[str, Any]:
        """What the module's function `work` answers. Raises ChildFailed, also where the process
        dies or does not answer within `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        call = {"work": f"{self._module}:{work}", "arguments": arguments}
        try:
            self._ours.send_bytes(json.dumps(call).encode())
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._ours.poll(left):
                    self.close()
                    raise ChildFailed(_too_long(seconds))
                message = json.loads(self._ours.recv_bytes())
                if "answer" in message:
                    return dict(message["answer"])
                if "error" in message:
                    raise ChildFailed(message["error"])
                if on_message is not None:
                    on_message(message)
        except (EOFError, OSError) as err:
            self._process.join(_GRACE_S)
            raise ChildFailed(_died(self._process.exitcode)) from err

    def cancel(self) -> None:
        """Ask the call to stop; one that does not is ended."""
        with suppress(OSError):
            self._ours.send_bytes(b"{}")
        killer = threading.Timer(_GRACE_S, self.kill)
        killer.daemon = True
        killer.start()

    def kill(self) -> None:
        """End the process at once: what it sealed is safe. A call of another thread fails."""
        self._process.kill()

    def close(self) -> None:
        """End the process and let go of it."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def _too_long(seconds: float | None) -> dict[str, Any]:
    return error_json(
        EngineError(
            f"it took longer than {seconds:g} seconds", hint="give a shorter sound, or try later"
        )
    ) | {"code": "timeout"}


def _died(code: int | None) -> dict[str, Any]:
    how = f"by signal {-code}" if code is not None and code < 0 else f"with {code}"
    return error_json(
        EngineError(
            f"the process that worked on it ended {how}",
            hint="ask for it again: it may have been short of memory",
        )
    ) | {"code": "crashed"}


def _main(connection: Connection) -> None:
    """The life of a child."""
    for name in ("SIGINT", "SIGHUP"):  # Ctrl-C and a closed terminal are for who called: it decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    calls: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
    control = RunControl()
    threading.Thread(target=_listen, args=(connection, calls, control), daemon=True).start()
    lock = threading.Lock()

    def send(message: Mapping[str, Any]) -> None:
        with lock:
            connection.send_bytes(json.dumps(message).encode())

    while True:
        _answer(calls.get(), control, send)


def _listen(
    connection: Connection, calls: SimpleQueue[Mapping[str, Any]], control: RunControl
) -> None:
    """Ends the process when who called is gone: another one will go on with the job."""
    try:
        while True:
            message = json.loads(connection.recv_bytes())
            if message:
                calls.put(message)
            else:
                control.cancel()
    except (EOFError, OSError):
        os._exit(1)


def _answer(call: Mapping[str, Any], control: RunControl, send: Send) -> None:
    module, _, function = call["work"].partition(":")
    try:
        work: Work = getattr(import_module(module), function)
        send({"answer": work(call["arguments"], control, send)})
    except Cancelled:
        send({"error": {"type": "Cancelled", "code": "cancelled", "message": "it was cancelled"}})
    except SoundreelError as err:
        send({"error": error_json(err)})
    except Exception as err:
        sys.stderr.write(shown(traceback.format_exc()) + "\n")
        unexpected = f"unexpected {type(err).__name__}, which is a fault of soundreel"
        send({"error": error_json(SoundreelError(unexpected)) | {"code": "internal"}})
