"""Processes of this machine, each with an engine of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import IO, Any

from soundreel.events import Event
from soundreel.farm.hand import HandLost
from soundreel.farm.messages import Answer, Asked, Done, Failed, Work, receive, send
from soundreel.render.maker import MadeChunk, Task
from soundreel.work.job import Fixed

COMMAND = (sys.executable, "-P", "-m", "soundreel.farm.worker")
"""-P: nothing is imported from the folder where the user happens to be."""

_PATH = [folder for folder in sys.path if folder]

_LEAVE_S = 30.0
"""A process that has nothing more to do frees its engine within this time, or is killed."""


class ProcessHand:
    """Starts its process with the first task, and another one where that died. environment: added
    to ours; fixed: asked from several threads."""

    def __init__(self, work: Work, environment: Mapping[str, str], name: str, fixed: Fixed) -> None:
        self.name = name
        self._work, self._environment, self._fixed = work, environment, fixed
        self._process: subprocess.Popen[bytes] | None = None
        self._ending, self._given = "", set[Path]()
        self._stopped = False
        self._lock = Lock()

    def make(self, task: Task, tell: Callable[[Event], None]) -> Iterator[MadeChunk]:
        """See `Hand`."""
        self._say(task)
        while not isinstance(word := self._hear(), Done):
            match word:
                case MadeChunk():
                    self._given.update(word.files.values())
                    yield word
                case Event():
                    tell(word)
                case Asked(name, value):
                    self._say(Answer(self._answer(name, value)))
                case Failed(error):
                    raise error

    def is_back(self) -> bool:
        return not self._stopped

    def finish(self) -> None:
        """It closes its engine, and ends."""
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                send(None, process.stdin)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE_S)
        self.stop()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            self._end()

    def _say(self, word: object) -> None:
        try:
            send(word, self._pipes()[0])
        except (OSError, ValueError, EOFError) as err:
            raise HandLost(self._how_it_ended()) from err

    def _hear(self) -> Any:
        try:
            return receive(self._pipes()[1])
        except (OSError, ValueError, EOFError) as err:
            raise HandLost(self._how_it_ended()) from err

    def _answer(self, name: str, value: Any) -> Any:
        return self._fixed(name, lambda: value)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """Into the process, and out of it; one is started where there is none."""
        with self._lock:
            if self._stopped:
                raise EOFError
            if self._process is None:
                self._start()
            process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        return process.stdin, process.stdout

    def _start(self) -> None:
        self._ending, self._given = f".{secrets.token_hex(4)}.part", set()
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self._environment, "PYTHONPATH": os.pathsep.join(_PATH)},
            start_new_session=True,  # Ctrl-C is for us, who end it
        )
        assert self._process.stdin is not None
        send(replace(self._work, ending=self._ending), self._process.stdin)

    def _how_it_ended(self) -> str:
        with self._lock:
            code = self._end()
        if code is not None and code < 0:
            return f"its process was killed ({signal.Signals(-code).name})"
        return "its process ended"

    def _end(self) -> int | None:
        """Kill what still runs, and remove what it had begun and not given. Gives its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        code = process.poll()
        if code is None:
            process.kill()
        ended = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        for path in {*self._work.folder.glob(f"*{self._ending}")} - self._given:
            path.unlink(missing_ok=True)
        return ended if code is None else code
